"""Processes that learn one network together, each a share of every batch, as if one had learned it all."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """Stand in a team of processes that all see the same batches and hold the same weights.

    Each process maps its share of a batch; outputs are gathered before the loss, so that every loss is that of the
    whole batch, whatever it averages over; gradients of the shares are added up (data-parallel training: Li et al.
    2020, "PyTorch Distributed", without its overlapping).

    Parameters
    ----------
    rank, size : int
        Which process this is, from 0, of how many.
    """

    rank: int = 0
    size: int = 1

    def share(self, rows: Tensor) -> Tensor:
        """Take this process's share of a batch's rows (n,); of fewer rows than processes each takes all."""
        return rows if len(rows) < self.size else rows.tensor_split(self.size)[self.rank]

    def together(self, own: Tensor, n: int) -> Tensor:
        """Gather the outputs of all shares (n, ...), in order; a gradient flows back into this process's own."""
        if self.size == 1:
            return own
        if n < self.size:
            return own.detach() + (own - own.detach()) / self.size
        sizes = [len(share) for share in torch.empty(n).tensor_split(self.size)]
        padded = own.new_zeros((sizes[0], *own.shape[1:]))
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        shares = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        return torch.cat([*shares[: self.rank], own, *shares[self.rank + 1 :]])

    def sum_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Add the gradients of all processes up, in place: all get the same bits."""
        slopes = [weight.grad for weight in weights if weight.grad is not None]
        if self.size == 1 or not slopes:
            return
        flat = torch.cat([slope.reshape(-1) for slope in slopes])
        dist.all_reduce(flat)
        for slope, part in zip(slopes, torch.split(flat, [slope.numel() for slope in slopes]), strict=True):
            slope.copy_(part.view_as(slope))

    def total(self, values: Tensor) -> Tensor:
        """Add values of all processes up."""
        if self.size > 1:
            dist.all_reduce(values)
        return values


ALONE = Team()
"""One process that learns by itself."""


def synchronised(module: nn.Module) -> nn.Module:
    """Let every batch normalisation within a module see the whole batch (Ioffe & Szegedy 2015), whatever its share."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm1d:
            shared = _SharedNorm(child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats)
            shared.load_state_dict(child.state_dict())
            setattr(module, name, shared)
        else:
            synchronised(child)
    return module


class _SharedNorm(nn.BatchNorm1d):
    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return super().forward(values)
        axes, shape = [0, *range(2, values.ndim)], [1, -1, *[1] * (values.ndim - 2)]
        n = _summed(values.new_tensor(values.numel() / values.shape[1]))
        mean = _summed(values.sum(dim=axes)) / n
        centred = values - mean.view(shape)
        variance = _summed((centred**2).sum(dim=axes)) / n
        self._remember(mean.detach(), variance.detach() * n / (n - 1))
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        return out * self.weight.view(shape) + self.bias.view(shape) if self.affine else out

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        total = values.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, slopes: Tensor) -> Tensor:
        total = slopes.clone()
        dist.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    return _Sum.apply(values)  # type: ignore[no-any-return, no-untyped-call]
