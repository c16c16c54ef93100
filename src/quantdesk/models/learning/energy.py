"""How much energy the device that learns draws, as far as the machine counts it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows what its processors count (RAPL); often to root alone."""

MOST_WATTS = 1000.0
"""No processor draws more: what passed between two readings is known if it cannot have filled a counter at that."""


@dataclass(frozen=True)
class Counter:
    """Read one counter of energy.

    Parameters
    ----------
    read : callable
        Gives joules since some moment.
    wraps_at : float or None
        Joules at which it begins at 0 again; None where it never does.
    """

    read: Callable[[], float]
    wraps_at: float | None = None


class Meter:
    """Add up what counters count from now on; what cannot be read, or was not read in time, is unknown for good.

    Parameters
    ----------
    counters : tuple of Counter
        All that belong to the device; none makes it unknown.
    before : float or None
        Joules to start with.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self, counters: tuple[Counter, ...], before: float | None = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counters, self._clock = counters, clock
        self._total = before if counters else None
        self._last = self._read()

    @property
    def joules(self) -> float | None:
        """Read the counters, and give the joules up to now; None where they are not known."""
        (before, began), (now, ended) = self._last, self._read()
        self._last = now, ended
        for counter, was, value in zip(self._counters, before, now, strict=False):
            passed = _passed(counter, was, value, ended - began)
            self._total = None if self._total is None or passed is None else self._total + passed
        return self._total

    def _read(self) -> tuple[list[float], float]:
        try:
            return [counter.read() for counter in self._counters], self._clock()
        except (OSError, ValueError):
            self._counters, self._total = (), None
            return [], self._clock()


def _passed(counter: Counter, was: float, now: float, seconds: float) -> float | None:
    if counter.wraps_at is None:
        return now - was if now >= was else None
    return (now - was) % counter.wraps_at if seconds * MOST_WATTS < counter.wraps_at else None


def meter_of(device: torch.device, n_devices: int = 1, before: float | None = 0.0, powercap: Path = POWERCAP) -> Meter:
    """Make a meter of the device that learns: its processors' packages or its GPUs, with whatever else runs on them.

    Parameters
    ----------
    device : torch.device
        Where it learns.
    n_devices : int
        How many of its kind learn at once: several GPUs are the first ones; on the CPU all share the packages.
    before : float or None
        Joules of the same training before it was killed.
    powercap : Path
        Where the processors' counters are.
    """
    if device.type == "cpu":
        return Meter(_packages(powercap), before)
    if device.type == "cuda":
        return Meter(_gpus(range(n_devices) if n_devices > 1 else [device.index or 0]), before)
    return Meter((), before)


def _packages(powercap: Path) -> tuple[Counter, ...]:
    try:
        # Zones within a package, and the whole platform beside the packages, would count the same joules again.
        zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if (zone / "name").read_text().startswith("package")]
        return tuple(Counter(_microjoules(zone / "energy_uj"), _microjoules(zone / "max_energy_range_uj")()) for zone in zones)
    except (OSError, ValueError):
        return ()


def _microjoules(path: Path) -> Callable[[], float]:
    return lambda: int(path.read_text()) / 1e6


def _gpus(indices: Iterable[int]) -> tuple[Counter, ...]:
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return ()
    try:
        nvml.nvmlInit()
        # NVML numbers all GPUs of the machine, torch those that it may use: names are the same for both.
        names = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in indices]
        return tuple(Counter(_millijoules(nvml, nvml.nvmlDeviceGetHandleByUUID(name))) for name in names)
    except nvml.NVMLError:
        return ()


def _millijoules(nvml: Any, handle: object) -> Callable[[], float]:
    def read() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except nvml.NVMLError as error:
            raise OSError(str(error)) from error

    return read
