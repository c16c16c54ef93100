"""How a training is going, in words."""

import math

from quantdesk.domain.progress import tell_of


def tell_pace(
    epoch: int, n_epochs: int, step: int, n_steps: int, loss: float, n_samples: int, seconds: float, judged: float = math.nan
) -> None:
    """Tell how far a training is, and after its first step how good, how fast, and how much longer at that pace.

    Parameters
    ----------
    epoch, n_epochs : int
        The epoch, from 0, of how many at most.
    step, n_steps : int
        Steps done in this epoch, and steps of an epoch.
    loss : float
        Mean over the last steps; NaN where there is none yet.
    n_samples : int
        Samples of an epoch.
    seconds : float
        Since training began.
    judged : float
        Loss of the validation span after the last epoch; NaN where there is none.
    """
    done, total = epoch * n_steps + step, n_epochs * n_steps
    words = f"epoch {epoch + 1} of {n_epochs}"
    if math.isfinite(loss):
        words += f", loss {loss:.4g}"
    if math.isfinite(judged):
        words += f" (validation {judged:.4g})"
    if done and seconds > 0:
        words += f", {rate(done / n_steps * n_samples / seconds)}, {duration((total - done) * seconds / done)} left"
    tell_of()(words, done, total)


def rate(samples_per_second: float) -> str:
    """Write a speed with three digits."""
    unit = "" if samples_per_second < 999.5 else "k " if samples_per_second < 999.5e3 else "M "
    return f"{samples_per_second / {'': 1, 'k ': 1e3, 'M ': 1e6}[unit]:.3g} {unit}samples/s"


def duration(seconds: float) -> str:
    """Write a span of time in the largest units that tell it apart from others."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
