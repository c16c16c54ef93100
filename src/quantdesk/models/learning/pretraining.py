"""Learning from windows without labels: hide patches, have them reconstructed, then learn the labels from there."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from quantdesk.domain.effort import Effort
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.progress import part
from quantdesk.models.learning.choices import WITHIN_1, check_choices
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.network import Network
from quantdesk.models.learning.scaled import Scaled
from quantdesk.models.learning.train import Blame, train
from quantdesk.models.learning.windows import Windows
from quantdesk.models.networks.patchtst import PatchTST
from quantdesk.models.training import Training


@dataclass(frozen=True)
class Pretraining:
    """Learn as ``train`` does, after pre-training on every window that needs no label (Nie et al. 2023, sections 3.2 and 4.4).

    First patches are hidden and reconstructed from the others, channel by channel; then the head alone learns
    the labels; then everything does.

    Parameters
    ----------
    hidden_share : float
        Share of the patches of each channel that is hidden.
    epochs, probing_epochs : int
        Of the reconstruction, and of the head alone.
    learning_rate : float
        Of both; constant.

    Raises
    ------
    StrategyError
        If the share is not between 0 and 1, or there is nothing to be learned.
    """

    hidden_share: float = 0.4
    epochs: int = 20
    probing_epochs: int = 10
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        check_choices(self, hidden_share=WITHIN_1)

    def check(self, network: Network) -> None:
        """Refuse a network that cannot be pre-trained.

        Raises
        ------
        StrategyError
            If it is no PatchTST, or its patches overlap, so that a hidden one could be read off its neighbours.
        """
        if not isinstance(network, PatchTST):
            raise StrategyError(
                f"pre-training was asked of {type(network).__name__}",
                "PatchTST, whose patches can be hidden",
                "choose that network, or leave pretraining out",
            )
        if network.stride != network.patch:
            raise StrategyError(
                f"PatchTST.stride is {network.stride} and its patch {network.patch}",
                "patches that do not overlap, so that a hidden one cannot be read off its neighbours",
                "make the stride as long as the patch",
            )

    def __call__(
        self,
        module: Scaled,
        samples: Windows,
        validation: Windows | None,
        loss: Loss,
        training: Training,
        seed: int,
        blame: Blame | None = None,
    ) -> Effort:
        """Train a module in place, and leave it with the weights of its best epoch; arguments as of ``train``."""
        steady = replace(training, schedule="constant", patience=0, learning_rate=self.learning_rate, checkpoint=None)
        with part("stage", 0, 3):
            self.reconstruct(module, samples, replace(steady, epochs=self.epochs), seed)
        head = set(module.inner.head.parameters())  # type: ignore[union-attr]
        kept = [weight for weight in module.parameters() if weight not in head]
        for weight in kept:
            weight.requires_grad_(False)
        with part("stage", 1, 3):
            train(module, samples, None, loss, replace(steady, epochs=self.probing_epochs), seed, blame)
        for weight in kept:
            weight.requires_grad_(True)
        with part("stage", 2, 3):
            return train(module, samples, validation, loss, training, seed, blame)

    def reconstruct(self, module: Scaled, samples: Windows, training: Training, seed: int) -> Effort:
        """Teach the encoder within a module to reconstruct hidden patches of all windows up to the last sample."""
        last = int(samples.rows.max()) // samples.n_instruments
        rows = torch.arange(0, (last + 1) * samples.n_instruments, device=samples.rows.device)
        rows = rows[torch.isfinite(samples.table[rows]).any(dim=1)]
        targets = torch.zeros(len(rows), 1, device=rows.device)
        every = replace(samples, rows=rows, targets=targets)
        return train(Reconstruction(module, self, seed), every, None, Said(), training, seed)


class Reconstruction(nn.Module):
    """Hide patches, and say how far off their reconstruction is.

    Parameters
    ----------
    module : Scaled
        Its encoder learns, in place.
    choices : Pretraining
        What is hidden.
    seed : int
        Of the layer that reconstructs.
    """

    def __init__(self, module: Scaled, choices: Pretraining, seed: int) -> None:
        super().__init__()
        self.module, self.share = module, choices.hidden_share
        width, patch = (int(size) for size in module.inner.embed.weight.shape)  # type: ignore[union-attr]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = nn.Linear(width, patch)

    def forward(self, windows: Tensor) -> Tensor:
        """Map raw windows (n, lookback, n_features) to mean squared errors over hidden patches (n, 1, 1)."""
        inner = self.module.inner
        patches = inner.patches(self.module.scale(windows).transpose(1, 2))  # type: ignore[operator]
        hidden = torch.rand(patches.shape[:2], device=patches.device) < self.share
        # The last patch only repeats the present value: never shown, never asked for.
        hidden[:, -1] = True
        state = inner.encode_patches(torch.where(hidden[..., None], 0.0, patches))  # type: ignore[operator]
        asked = hidden[:, :-1]
        errors = ((self.head(state) - patches)[:, :-1] ** 2).mean(dim=-1)
        of_channel = torch.where(asked, errors, 0.0).sum(dim=1) / asked.sum(dim=1).clamp(min=1)
        return of_channel.reshape(len(windows), -1).mean(dim=1)[:, None, None]


@dataclass(frozen=True)
class Said(Loss):
    """Take what the module says as the loss."""

    @property
    def width(self) -> int:
        """One output."""
        return 1

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average the outputs."""
        return outputs.mean()

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the only output."""
        return outputs[..., 0]
