"""Find the features that this folder declares, choose among them, and compute the chosen."""

import importlib
import pkgutil
import traceback
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np

from quantdesk import features as folder
from quantdesk.domain.arrays import Float32, Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.features.delivery import LARGEST
from quantdesk.features.evaluate import Formula, evaluate


def discover(own: Sequence[Feature] = ()) -> dict[str, Feature]:
    """Collect every feature declared in this folder's modules, by name, and a strategy's own after them.

    Raises
    ------
    StrategyError
        If the same name is declared twice.
    """
    found: dict[str, Feature] = {}
    for module in pkgutil.iter_modules(folder.__path__):
        declared = getattr(importlib.import_module(f"{folder.__name__}.{module.name}"), "FEATURES", ())
        for feature in declared:
            if feature.name in found:
                raise StrategyError(
                    f"feature {feature.name!r} is declared twice, again in {module.name}.py",
                    "one declaration a name",
                    "rename one of the two",
                )
            found[feature.name] = feature
    for feature in own:
        if feature.name in found:
            raise StrategyError(f"the strategy's own feature {feature.name!r} exists already", "a new name", "rename it")
        found[feature.name] = feature
    return found


def choose(
    names: Sequence[str], fields: Collection[str], own: Sequence[Feature] = ()
) -> tuple[tuple[Feature, ...], tuple[str, ...]]:
    """Choose features by name or pattern, leaving out those whose fields the data does not carry.

    Parameters
    ----------
    names : sequence of str
        Names or patterns such as ``momentum_*``; each feature is chosen once, in the order asked.
    fields : collection of str
        Fields that the panel carries.
    own : sequence of Feature
        A strategy's own, all of them chosen, after the named ones.

    Returns
    -------
    features : tuple of Feature
        The chosen features.
    left_out : tuple of str
        Names of those left out for want of a field.

    Raises
    ------
    StrategyError
        If a name or pattern matches no feature.
    """
    known = discover(own)
    named = [match for name in names for match in _matches(name, known)]
    wanted = list(dict.fromkeys([*named, *(feature.name for feature in own)]))
    computable = [name for name in wanted if set(known[name].needs) <= set(fields)]
    return tuple(known[name] for name in computable), tuple(name for name in wanted if name not in computable)


def compute(features: Sequence[Feature], bars: Bars) -> Float32:
    """Compute features into one array; infinities become NaN.

    Parameters
    ----------
    features : sequence of Feature
        What to compute.
    bars : Bars
        Adjusted bars.

    Returns
    -------
    Float32
        Shape (n_times, n_instruments, n_features), in the order of ``features``.
    """
    table = np.empty((*bars.close.shape, len(features)), dtype=np.float32)
    formulas = [feature.compute.column for feature in features if isinstance(feature.compute, Formula)]
    if len(formulas) == len(features):
        evaluate(formulas, (), bars, table, np.empty((0, *bars.close.shape)))
        return table
    if formulas:
        written = [isinstance(feature.compute, Formula) for feature in features]
        table[:, :, np.flatnonzero(written)] = compute(
            [feature for feature in features if isinstance(feature.compute, Formula)], bars
        )
    for column, feature in enumerate(features):
        if not isinstance(feature.compute, Formula):
            with np.errstate(over="ignore"):
                values = _computed(feature, feature.compute, bars)
                table[:, :, column] = np.where(np.abs(values) <= LARGEST, values, np.nan)
    return table


def lookback(features: Sequence[Feature]) -> int:
    """Count the bars, the present one included, that all these features together depend on."""
    return max((feature.lookback for feature in features), default=1)


def _computed(feature: Feature, compute: Callable[[Bars], Float64], bars: Bars) -> Float64:
    try:
        return compute(bars)
    except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise StrategyError(
            f"feature {feature.name!r}: {type(error).__name__}: {error} ({line.filename}, line {line.lineno})",
            "numbers made from Bars (close, returns, volume, facts, ...), which name no instrument: a column is a column",
            "correct its function; what differs by instrument comes as a fact of the data, bars.facts",
        ) from error


def _matches(name: str, known: Collection[str]) -> list[str]:
    matches = [candidate for candidate in known if fnmatchcase(candidate, name)]
    if not matches:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        raise StrategyError(
            f"no feature is named {name!r}",
            f"a feature or pattern, such as {', '.join(near)}" if near else "a feature or a pattern such as momentum_*",
            "check the spelling; the features are declared in quantdesk/features",
        )
    return matches
