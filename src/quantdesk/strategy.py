"""A strategy is a choice of parts; fitted, it can trade."""

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.decision import Target
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.domain.forecast import Forecast, Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster, Model, SignalRule, Sizing
from quantdesk.features import dataset as datasets
from quantdesk.features import library
from quantdesk.features.scale import SCALE_LOOKBACK
from quantdesk.portfolio.limits import Limits

Rebalance = Literal["bar", "hourly", "daily", "weekly", "monthly"]


@dataclass(frozen=True)
class Strategy:
    """Choose the parts, in the order in which data flows through them.

    Parameters
    ----------
    name : str
        What reports and orders call it.
    description : str
        What it believes, in one sentence.
    features : tuple of str
        Feature names or globs such as ``momentum_*``; those whose fields the data lacks are left out.
    model : Model
        Learns the forecast.
    signal : SignalRule
        Turns the forecast into how strongly to lean.
    sizing : Sizing
        Turns that into weights.
    horizon : int
        The horizon it trades, bars; one of ``horizons``.
    horizons : tuple of int
        The horizons it forecasts, bars.
    rebalance : {"bar", "hourly", "daily", "weekly", "monthly"}
        How often it decides: at every bar or the first bar of each period (UTC), and whenever
        nothing is held.
    limits : Limits
        What the loop allows.
    source : str
        Digest of the file it was loaded from; set by ``load``.
    text : str
        What stood in that file; set by ``load``, so that a run can be made again after the file changed.
    own_features : tuple of Feature
        Features declared in the strategy's own file, used beside the named ones.

    Raises
    ------
    StrategyError
        If a part is not what its place needs, a feature is not a name or named twice, or a choice is none of those there are.
    """

    name: str
    description: str
    features: tuple[str, ...]
    model: Model
    signal: SignalRule
    sizing: Sizing
    horizon: int = 5
    horizons: tuple[int, ...] = (1, 5, 10, 20)
    rebalance: Rebalance = "weekly"
    limits: Limits = field(default_factory=Limits)
    source: str = ""
    # The digest stands for the text.
    text: str = field(default="", repr=False)
    # A function's address is no part of a fingerprint; the file's digest is.
    own_features: tuple[Feature, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        _check_features(self.name, self.features)
        for part, port in ((self.model, Model), (self.signal, SignalRule), (self.sizing, Sizing)):
            if not isinstance(part, port):
                missing = ", ".join(sorted(name for name in _owed(port) if not hasattr(part, name)))
                raise StrategyError(
                    f"strategy {self.name!r}: {part!r} has no {missing}", f"a {port.__name__}", "see quantdesk/domain/ports.py"
                )
        if self.horizon not in self.horizons:
            raise StrategyError(
                f"strategy {self.name!r} trades horizon {self.horizon}", f"one of {self.horizons}", "add it to horizons"
            )
        choices = get_args(Rebalance)
        if self.rebalance not in choices:
            what = f"strategy {self.name!r} rebalances {self.rebalance!r}"
            raise StrategyError(what, f"one of {', '.join(choices)}", "choose one")

    @property
    def lookback(self) -> int:
        """Bars that the sizing and the rebalancing calendar read."""
        return max(2, self.sizing.lookback)

    def dataset(self, panel: Panel) -> Dataset:
        """Compute the features and labels it asks for on a panel."""
        return datasets.build(panel, self.features, self.horizons, self.own_features)

    def fit(self, dataset: Dataset, seed: int) -> "FittedStrategy":
        """Learn from every sample of a dataset."""
        return FittedStrategy(self, self.model.fit(dataset, seed), dataset.feature_names)

    def decide(self, forecast: Forecast, panel: Panel, held: Float64) -> Target:
        """Turn a forecast into the portfolio wanted, whatever the calendar says."""
        signal = self.signal.signal(forecast, held)
        return Target(self.sizing.weights(signal, forecast, panel))

    def is_due(self, times: Times, held: Float64) -> bool:
        """Tell whether the last of ``times`` opens a new period, or nothing is held."""
        if not held.any() or self.rebalance == "bar" or len(times) < 2:
            return True
        if self.rebalance in ("hourly", "daily"):
            periods = times[-2:].astype("datetime64[h]" if self.rebalance == "hourly" else "datetime64[D]")
            return bool(periods[0] != periods[1])
        if self.rebalance == "weekly":
            # Weeks begin on Monday; day 0 of the epoch was a Thursday.
            weeks = (times[-2:].astype("datetime64[D]").astype(np.int64) + 3) // 7
            return bool(weeks[0] != weeks[1])
        months = times[-2:].astype("datetime64[M]")
        return bool(months[0] != months[1])

    def fingerprint(self) -> str:
        """Digest every choice into 16 hexadecimal digits."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def _check_features(strategy: str, names: Any) -> None:
    if isinstance(names, str):
        what = f"strategy {strategy!r} has the text {names!r} for features"
        raise StrategyError(what, f"a tuple of names, such as ({names!r},)", "write brackets around it and a comma after it")
    for name, count in Counter(map(_name_of_feature, names)).items():
        if count > 1:
            what = f"strategy {strategy!r} names the feature {name!r} {count} times"
            raise StrategyError(what, "each name once", "leave out the others")


def _name_of_feature(name: object) -> str:
    if not isinstance(name, str):
        what = f"a {type(name).__name__} stands among the names of a strategy's features"
        raise StrategyError(what, "names only, as text", "name it, or put a feature of your own into own_features")
    return name


def _owed(port: type) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]


@dataclass(frozen=True, eq=False)
class FittedStrategy:
    """A strategy that has learned and can trade.

    Parameters
    ----------
    strategy : Strategy
        The parts.
    forecaster : Forecaster
        What its model learned.
    feature_names : tuple of str
        The features it learned from.
    """

    strategy: Strategy
    forecaster: Forecaster
    feature_names: tuple[str, ...]

    @property
    def lookback(self) -> int:
        """Bars of history, the present one included, that a decision reads."""
        known = library.discover(self.strategy.own_features)
        features = library.lookback([known[name] for name in self.feature_names])
        return max(max(features, SCALE_LOOKBACK) + self.forecaster.lookback, self.strategy.lookback)

    def dataset(self, panel: Panel) -> Dataset:
        """Compute what it reads at the panel's last close, and no more."""
        recent = panel.rows(max(0, len(panel.times) - self.lookback), len(panel.times))
        return datasets.build(recent, self.feature_names, self.strategy.horizons, self.strategy.own_features)

    def forecast(self, panel: Panel) -> Forecast:
        """Forecast from the panel's last close."""
        return self.forecaster.forecast(self.dataset(panel)).at(-1)

    def target(self, panel: Panel, held: Float64) -> Target:
        """Decide at the panel's last close; all NaN where the calendar says to leave things."""
        if not self.strategy.is_due(panel.times, held):
            return Target(np.full(len(held), np.nan))
        return self.strategy.decide(self.forecast(panel), panel, held)


@dataclass(frozen=True, eq=False)
class Rehearsed:
    """A strategy whose forecasts were computed in one batch; a law holds them equal to the live ones.

    Parameters
    ----------
    strategy : Strategy
        The parts.
    forecasts : Forecasts
        One for each time it will be asked to decide at.
    """

    strategy: Strategy
    forecasts: Forecasts

    @property
    def lookback(self) -> int:
        """Bars of history, the present one included, that a decision reads."""
        return self.strategy.lookback

    def target(self, panel: Panel, held: Float64) -> Target:
        """Decide at the panel's last close from the forecast made for it."""
        if not self.strategy.is_due(panel.times, held):
            return Target(np.full(len(held), np.nan))
        row = int(np.searchsorted(self.forecasts.times, panel.now))
        if row == len(self.forecasts.times) or self.forecasts.times[row] != panel.now:
            raise StrategyError(
                f"no forecast was rehearsed for {panel.now}", f"a time up to {self.forecasts.times[-1]}", "rehearse it"
            )
        return self.strategy.decide(self.forecasts.at(row), panel, held)


def shipped_folder() -> Path:
    """Find the folder of the strategies that come with the desk."""
    installed = Path(__file__).parent / "strategies"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "strategies"


def folders(home: Path) -> list[Path]:
    """List where strategies are looked for: the working folder, the desk's home, those shipped."""
    places = (Path.cwd() / "strategies", home / "strategies", shipped_folder())
    return [place for place in dict.fromkeys(place.resolve() for place in places) if place.is_dir()]


def find(home: Path) -> dict[str, Path]:
    """Map each strategy's name (its file's stem) to its file; the first folder that has it wins."""
    found: dict[str, Path] = {}
    for folder in folders(home):
        for path in sorted(folder.glob("[!_]*.py")):
            found.setdefault(path.stem, path)
    return found


def load(name: str, home: Path) -> Strategy:
    """Load a strategy by name or by the path of its file.

    Raises
    ------
    StrategyError
        If there is no such strategy, or its file does not define ``STRATEGY``.
    """
    known = find(home)
    path = Path(name) if name.endswith(".py") else known.get(name)
    if path is None or not path.is_file():
        raise StrategyError(
            f"no strategy {name!r}", f"one of {', '.join(known)}, or the path of a .py file", "see `desk strategies`"
        )
    content = path.read_bytes()
    module = _executed(path)
    strategy = getattr(module, "STRATEGY", None)
    if not isinstance(strategy, Strategy):
        raise StrategyError(
            f"{path} defines no STRATEGY", "`STRATEGY = Strategy(...)` at module level", "see any file in strategies/"
        )
    return replace(strategy, source=hashlib.sha256(content).hexdigest()[:16], text=content.decode(errors="surrogateescape"))


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"desk_strategy_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise StrategyError(f"{path}, line {error.lineno}: {error.msg}", "a Python file", "correct the line") from error
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise StrategyError(
            f"strategy {path.stem!r} holds a network, and torch is not installed", "torch", "pip install 'quantdesk[deep]'"
        ) from error
    except TypeError as error:
        _explain_choice(error, path, module)
        raise
    return module


def _explain_choice(error: TypeError, path: Path, module: ModuleType) -> None:
    # Python says "PatchTST.__init__() got an unexpected keyword argument 'hidden'".
    called, is_constructor, _ = str(error).partition(".__init__() ")
    name = called.rpartition(".")[2]
    places = (module, *(place for key, place in sys.modules.items() if key.startswith("quantdesk.")))
    kind = next((vars(place)[name] for place in places if name in vars(place)), None)
    if not is_constructor or not isinstance(kind, type):
        return
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module.__file__]
    is_network = kind.__module__.startswith("quantdesk.models.networks.")
    raise StrategyError(
        f"{path}, line {lines[-1]}: {error}",
        f"{name}({_choices(kind)})",
        f"correct the line; see `desk networks {name}`" if is_network else "correct the line",
    ) from error


def _choices(kind: type) -> str:
    choices = inspect.signature(kind).parameters.values()
    return ", ".join(str(choice.replace(annotation=choice.empty)) for choice in choices).replace("<factory>", "...")
