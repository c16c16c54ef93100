"""What a network is asked to make small, and how its outputs are read.

Outputs have shape (n_samples, n_horizons, width) and targets (n_samples, n_horizons), both in
units of the volatility expected over the horizon; a target that is NaN is not known and costs nothing.
"""

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from quantdesk.domain.forecast import LEVELS
from quantdesk.models.learning.choices import FROM_0, check_choices

NORMAL = tuple(NormalDist().inv_cdf(level) for level in LEVELS)
"""Quantiles of the standard normal distribution."""


class Loss(Protocol):
    """What every loss owes; one that is derived from it need only say what is its own."""

    @property
    def width(self) -> int:
        """Outputs a horizon."""
        ...

    @property
    def needs_times(self) -> bool:
        """Whether a batch must hold whole times, every instrument of them."""
        return False

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known; ``times`` (n_samples,) tells which samples belong together."""
        ...

    def mean(self, outputs: Tensor) -> Tensor:
        """Read the expected return (n_samples, n_horizons)."""
        ...

    def quantiles(self, outputs: Tensor) -> Tensor:
        """Read the distribution (n_samples, n_horizons, n_levels) around that mean; here it has no width.

        What errors on the validation span say of its width is added later.
        """
        mean = self.mean(outputs)
        return mean[..., None].expand(*mean.shape, len(LEVELS))

    def start(self, targets: Tensor) -> Tensor:
        """Give the outputs (n_horizons, width) with which training begins, from some of its targets.

        Those of the distribution of all targets, so that a network learns only how a sample differs.
        """
        return targets.new_zeros(targets.shape[1], self.width)


def known_mean(losses: Tensor, targets: Tensor) -> Tensor:
    """Average losses where the target is known; 0 where none is."""
    known = torch.isfinite(targets)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def _unsoftened(values: Tensor) -> Tensor:
    # The inverse of softplus.
    return torch.log(torch.expm1(values.clamp(min=1e-3)))


def _log_odds_of_a_rise(targets: Tensor) -> Tensor:
    rose = torch.where(torch.isfinite(targets), (targets > 0).to(targets.dtype), torch.nan)
    return torch.logit(rose.nanmean(dim=0).nan_to_num(0.5).clamp(0.01, 0.99))


def _filled(targets: Tensor) -> Tensor:
    # Where a target is missing the loss is thrown away, but its gradient must not be NaN.
    return torch.nan_to_num(targets)


@dataclass(frozen=True)
class _Point(Loss):
    @property
    def width(self) -> int:
        """One output a horizon: the expected return."""
        return 1

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the only output."""
        return outputs[..., 0]


@dataclass(frozen=True)
class SquaredError(_Point):
    """Square the error: the mean is what makes it small."""

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known."""
        return known_mean((outputs[..., 0] - _filled(targets)) ** 2, targets)


@dataclass(frozen=True)
class Huber(_Point):
    """Square small errors, take large ones as they are (Huber 1964).

    Parameters
    ----------
    delta : float
        Where one becomes the other.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        check_choices(self)

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known."""
        losses = functional.huber_loss(outputs[..., 0], _filled(targets), reduction="none", delta=self.delta)
        return known_mean(losses, targets)


@dataclass(frozen=True)
class SignPenalised(_Point):
    """Weigh the error of a forecast with the wrong sign by more.

    A forecast of exactly 0 has no wrong sign: where an edge is too small for its penalty, 0 is best.

    Parameters
    ----------
    penalty : float
        By how much more; 0 leaves the loss beneath.
    delta : float
        Of the Huber loss beneath; infinite makes it the squared error.
    """

    penalty: float = 1.0
    delta: float = math.inf

    def __post_init__(self) -> None:
        check_choices(self, penalty=FROM_0)

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known."""
        said, happened = outputs[..., 0], _filled(targets)
        if math.isinf(self.delta):
            losses = (said - happened) ** 2
        else:
            losses = functional.huber_loss(said, happened, reduction="none", delta=self.delta)
        return known_mean(losses * (1.0 + self.penalty * (said * happened < 0)), targets)


@dataclass(frozen=True)
class SignErrorRatio(_Point):
    """Give the share of the absolute return whose sign was missed, softly.

    ``sum |y| sigmoid(-k f sign(y)) / sum |y|``: near 0 when every sign is right and near 1 when none is,
    with a slope that can be followed.

    Parameters
    ----------
    sharpness : float
        k: how fast a forecast counts as having taken a side.
    """

    sharpness: float = 5.0

    def __post_init__(self) -> None:
        check_choices(self)

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Weigh what is known by its size."""
        happened = _filled(targets)
        missed = torch.sigmoid(-self.sharpness * outputs[..., 0] * torch.sign(happened))
        size = happened.abs()
        return (size * missed).sum() / size.sum().clamp(min=1e-12)


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """Ask for a mean and a variance: the negative log likelihood of a normal distribution."""

    @property
    def width(self) -> int:
        """Mean, and the variance before its softplus."""
        return 2

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known."""
        variance = functional.softplus(outputs[..., 1]) + 1e-4
        losses = 0.5 * (torch.log(variance) + (outputs[..., 0] - _filled(targets)) ** 2 / variance)
        return known_mean(losses, targets)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the first output."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor) -> Tensor:
        """Lay a normal distribution around the mean."""
        spread = torch.sqrt(functional.softplus(outputs[..., 1:]) + 1e-4)
        return outputs[..., :1] + spread * outputs.new_tensor(NORMAL)

    def start(self, targets: Tensor) -> Tensor:
        """Begin with the mean and the variance of all targets."""
        mean = targets.nanmean(dim=0)
        variance = ((targets - mean) ** 2).nanmean(dim=0)
        return torch.stack([mean.nan_to_num(), _unsoftened(variance.nan_to_num(1.0))], dim=-1)


@dataclass(frozen=True)
class Quantiles(Loss):
    """Ask for the quantiles of the distribution: the pinball loss (Koenker & Bassett 1978)."""

    @property
    def width(self) -> int:
        """One output a level."""
        return len(LEVELS)

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over levels and over what is known."""
        levels = outputs.new_tensor(LEVELS)
        error = _filled(targets)[..., None] - outputs
        return known_mean(torch.maximum(levels * error, (levels - 1.0) * error).mean(dim=-1), targets)

    def mean(self, outputs: Tensor) -> Tensor:
        """Integrate the quantiles piecewise linearly, flat beyond the outer levels."""
        edges = outputs.new_tensor([0.0, *LEVELS, 1.0])
        weights = (edges[2:] - edges[:-2]) / 2
        ends = torch.zeros_like(weights)
        ends[0], ends[-1] = edges[1] / 2, (1 - edges[-2]) / 2
        return self.quantiles(outputs) @ (weights + ends)

    def quantiles(self, outputs: Tensor) -> Tensor:
        """Put what is said in order."""
        return outputs.sort(dim=-1).values

    def start(self, targets: Tensor) -> Tensor:
        """Begin with the quantiles of all targets."""
        return torch.nanquantile(targets, targets.new_tensor(LEVELS), dim=0).T.nan_to_num()


@dataclass(frozen=True)
class Direction(Loss):
    """Ask for the probability of a rise: cross-entropy (Good 1952).

    Parameters
    ----------
    scale : float
        Expected return, in volatilities, that certainty is worth; the mean of a half-normal by default.
    """

    scale: float = 0.8

    def __post_init__(self) -> None:
        check_choices(self)

    @property
    def width(self) -> int:
        """The log odds of a rise."""
        return 1

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average over what is known."""
        rose = (_filled(targets) > 0).to(outputs.dtype)
        return known_mean(functional.binary_cross_entropy_with_logits(outputs[..., 0], rose, reduction="none"), targets)

    def mean(self, outputs: Tensor) -> Tensor:
        """Turn the probability of a rise into an expected return."""
        return self.scale * (2.0 * torch.sigmoid(outputs[..., 0]) - 1.0)

    def start(self, targets: Tensor) -> Tensor:
        """Begin with the share of rises among all targets."""
        return _log_odds_of_a_rise(targets)[:, None]


@dataclass(frozen=True)
class RankIC(_Point):
    """Make the correlation over the instruments of one time large: 1 less the mean IC.

    Forecasts are only as large as they need be to rank: the size of what is said has no meaning
    until it is calibrated.
    """

    @property
    def needs_times(self) -> bool:
        """A correlation needs every instrument of its time."""
        return True

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Average one less the correlation over times and horizons."""
        known = torch.isfinite(targets)
        _, group = torch.unique(times, return_inverse=True)
        n_groups = int(group.max()) + 1

        def total(values: Tensor) -> Tensor:
            return values.new_zeros(n_groups, values.shape[1]).index_add_(0, group, torch.where(known, values, 0.0))

        count = total(torch.ones_like(targets)).clamp(min=1)
        said, happened = outputs[..., 0], _filled(targets)
        said = said - (total(said) / count)[group]
        happened = happened - (total(happened) / count)[group]
        spread = torch.sqrt(total(said**2) * total(happened**2) + 1e-12)
        losses = 1.0 - total(said * happened) / spread
        return known_mean(losses, torch.where(count >= 3, 0.0, torch.nan))


@dataclass(frozen=True)
class MultiTask(Loss):
    """Ask for direction, return and volatility at once, weighed.

    Parameters
    ----------
    direction, size, volatility : float
        Weights of the cross-entropy of the sign, of the Huber loss of the return, and of the squared
        error of its absolute size.
    delta : float
        Of the Huber loss.
    """

    direction: float = 0.4
    size: float = 0.3
    volatility: float = 0.3
    delta: float = 1.0
    _sign: Direction = field(default=Direction(), repr=False)

    def __post_init__(self) -> None:
        check_choices(self, direction=FROM_0, size=FROM_0, volatility=FROM_0)

    @property
    def width(self) -> int:
        """Log odds of a rise, return, and the absolute return before its softplus."""
        return 3

    def __call__(self, outputs: Tensor, targets: Tensor, times: Tensor) -> Tensor:
        """Add up the three, each averaged over what is known."""
        happened = _filled(targets)
        sign = self._sign(outputs[..., :1], targets, times)
        size = known_mean(functional.huber_loss(outputs[..., 1], happened, reduction="none", delta=self.delta), targets)
        volatility = known_mean((functional.softplus(outputs[..., 2]) - happened.abs()) ** 2, targets)
        return self.direction * sign + self.size * size + self.volatility * volatility

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the second output."""
        return outputs[..., 1]

    def quantiles(self, outputs: Tensor) -> Tensor:
        """Lay a normal distribution around the mean, as wide as its absolute size is large."""
        spread = functional.softplus(outputs[..., 2:]) * math.sqrt(math.pi / 2)
        return outputs[..., 1:2] + spread * outputs.new_tensor(NORMAL)

    def start(self, targets: Tensor) -> Tensor:
        """Begin with the share of rises, no return, and the mean absolute size of all targets."""
        size = _unsoftened(targets.abs().nanmean(dim=0).nan_to_num(1.0))
        return torch.stack([_log_odds_of_a_rise(targets), torch.zeros_like(size), size], dim=-1)
