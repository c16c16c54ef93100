"""Move each choice a little: is the edge a hill, or one lucky setting."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.robustness.decisions import decide_again
from quantdesk.evaluation.robustness.findings import Neighbour, Neighbours
from quantdesk.evaluation.robustness.world import World
from quantdesk.strategy import Strategy

STEP = 0.25
"""How far a number is moved, as a share of it."""


def neighbours(strategy: Strategy, forecasts: Forecasts, world: World, tell: Tell = silent) -> Neighbours:
    """Move each numeric choice of the signal and the sizing, and trade each other horizon."""
    unchanged = world.sharpe(decide_again(strategy, forecasts, world.setting))
    variants = list(varied(strategy))
    tried = []
    for done, (choice, value, chosen, variant) in enumerate(variants):
        tell("moving each choice", done, len(variants))
        sharpe = world.sharpe(decide_again(variant, forecasts, world.setting))
        tried.append(Neighbour(choice, value, chosen, sharpe))
    return Neighbours(unchanged, tuple(tried))


def varied(strategy: Strategy) -> Iterator[tuple[str, float, float, Strategy]]:
    """Yield (choice, value, value chosen, strategy) for every change its parts accept."""
    for part in ("signal", "sizing"):
        for name, chosen in _numbers(getattr(strategy, part)):
            for value in _moved(chosen):
                variant = _with(strategy, part, name, value)
                if variant is not None:
                    yield f"{type(getattr(strategy, part)).__name__}.{name}", value, chosen, variant
    for horizon in strategy.horizons:
        if horizon != strategy.horizon:
            yield "horizon", horizon, strategy.horizon, _trading(strategy, horizon)


def _numbers(part: object) -> list[tuple[str, float]]:
    if not is_dataclass(part):
        return []
    found = [(field.name, getattr(part, field.name)) for field in fields(part) if field.init]
    # The horizon is moved to others that were forecast, in all parts at once.
    return [(name, value) for name, value in found if type(value) in (int, float) and name != "horizon"]


def _moved(value: float) -> list[float]:
    if isinstance(value, int):
        step = max(1, round(STEP * abs(value)))
        return [value - step, value + step]
    return [value * (1.0 - STEP), value * (1.0 + STEP)] if value else []


def _with(strategy: Strategy, part: str, name: str, value: float) -> Strategy | None:
    chosen: Any = getattr(strategy, part)
    try:
        changed: dict[str, Any] = {part: replace(chosen, **{name: value})}
    except StrategyError:
        return None
    return replace(strategy, **changed)


def _trading(strategy: Strategy, horizon: int) -> Strategy:
    changed: dict[str, Any] = {"horizon": horizon}
    for part in ("signal", "sizing"):
        chosen: Any = getattr(strategy, part)
        if hasattr(chosen, "horizon"):
            changed[part] = replace(chosen, horizon=horizon)
    return replace(strategy, **changed)
