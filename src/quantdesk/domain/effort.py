"""What learning took: time, samples, epochs, devices, money and energy."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """Say what one training of a network took.

    Parameters
    ----------
    seconds : float
        Wall time, that before a kill included.
    samples_per_second : float
        Samples learned from, over that time.
    n_epochs, best_epoch : int
        Epochs done, and the one whose weights were kept, from 0.
    curve : tuple of tuple
        Training and validation loss of each epoch.
    device : str
        Where it ran.
    price_per_hour : float
        Of the machine; 0 where it is not known.
    n_devices : int
        How many of them at once.
    joules : float or None
        What the device drew meanwhile, for whatever ran on it; None where the machine does not say.
    """

    seconds: float
    samples_per_second: float
    n_epochs: int
    best_epoch: int
    curve: tuple[tuple[float, float], ...]
    device: str
    price_per_hour: float = 0.0
    n_devices: int = 1
    joules: float | None = None

    @property
    def n_samples(self) -> float:
        """Count the samples learned from, each once an epoch."""
        return self.samples_per_second * self.seconds

    @property
    def gpu_hours(self) -> float:
        """Count the hours that GPUs were held."""
        return 0.0 if self.device == "cpu" else self.n_devices * self.seconds / 3600

    @property
    def cost(self) -> float:
        """Give the price of the machine for the time it took, in the currency of that price."""
        return self.seconds / 3600 * self.price_per_hour


@dataclass(frozen=True)
class Spent:
    """Say what one fit of a model took, whatever it is made of.

    Parameters
    ----------
    seconds : float
        Wall time of the whole fit.
    trainings : tuple of Effort
        Of every network that was trained in it: stages, teachers and members of ensembles each count.
    """

    seconds: float
    trainings: tuple[Effort, ...] = ()

    @property
    def n_epochs(self) -> int:
        """Count the epochs of all trainings."""
        return sum(effort.n_epochs for effort in self.trainings)

    @property
    def samples_per_second(self) -> float:
        """Give the samples learned from over the time of the trainings alone; 0 where there was none."""
        seconds = sum(effort.seconds for effort in self.trainings)
        return sum(effort.n_samples for effort in self.trainings) / seconds if seconds > 0 else 0.0

    @property
    def devices(self) -> tuple[str, ...]:
        """Name the devices that were learned on."""
        return tuple(sorted({effort.device for effort in self.trainings}))

    @property
    def gpu_hours(self) -> float:
        """Count the hours that GPUs were held."""
        return sum(effort.gpu_hours for effort in self.trainings)

    @property
    def cost(self) -> float:
        """Give the price of the machine for the time of the trainings; 0 where it is not known."""
        return sum(effort.cost for effort in self.trainings)

    @property
    def joules(self) -> float | None:
        """Add up the energy of the trainings; None where that of one is not known, or there was none."""
        known = [effort.joules for effort in self.trainings if effort.joules is not None]
        return sum(known) if known and len(known) == len(self.trainings) else None


_counts: ContextVar[list[Effort] | None] = ContextVar("counts", default=None)


@contextmanager
def counting() -> Iterator[list[Effort]]:
    """Collect the effort of every training in this process while the body runs."""
    efforts: list[Effort] = []
    token = _counts.set(efforts)
    try:
        yield efforts
    finally:
        _counts.reset(token)


def count(effort: Effort) -> None:
    """Add a training that has ended to what is being counted, if anything is."""
    efforts = _counts.get()
    if efforts is not None:
        efforts.append(effort)
