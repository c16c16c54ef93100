"""Trade one rule on all instruments together, from one purse: the exact track, and its figures for many rules."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled_in_place
from quantdesk.domain.errors import SettingsError
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import Costs
from quantdesk.execution.kernel import Path
from quantdesk.execution.lines import Closes
from quantdesk.execution.position import (
    CLOSE,
    IS_DOWN,
    IS_EVENT,
    IS_TRADED,
    IS_UP,
    LOT,
    ORDER,
    SIDE,
    TICK,
    UNITS,
    YEARS,
    Bytes,
    Levels,
    Terms,
    bars_of,
    decide,
    fill,
    order,
    rounded,
    settle,
    signs_of,
)
from quantdesk.execution.rules import SIDES, Exits, Rule, is_above
from quantdesk.execution.sweep import Account, bars_per_year, check, market_of

EXACT = Account(is_exact=True)
EQUITY, GROSS, NET, TRADED, COSTS = range(5)


@dataclass(frozen=True, eq=False)
class Portfolios:
    """Hold what each rule earned on all instruments together, arrays of shape (n_rules,).

    Figures as in ``Sweep``; ``gross_exposure`` is the mean of held weights, ``equity`` the net asset
    value at each close (n_rules, n_bars).
    """

    rules: tuple[Rule, ...]
    n_bars: int
    equity: Float64
    total_return: Float64
    sharpe: Float64
    max_drawdown: Float64
    gross_exposure: Float64
    turnover: Float64


def track(
    panel: Panel,
    rule: Rule,
    exits: Exits | None = None,
    costs: Costs | None = None,
    account: Account = EXACT,
    start: int = 0,
) -> Path:
    """Trade a rule on all instruments of a panel from one account, an equal share of its weight each.

    A share is taken at entry and left alone until the exit. With an exact account the net asset
    values are those of the loop with a ``RuleTrader`` and a ``SimulatedBroker``, to 1e-9, as long
    as no limit binds.

    Returns
    -------
    Path
        Bar by bar from ``start`` on, arrays of shape (n_bars,).
    """
    check(panel, [rule], start)
    return _World.of(panel, exits, costs, account, start).track(rule)


def portfolios(
    panel: Panel,
    rules: Sequence[Rule],
    exits: Exits | None = None,
    costs: Costs | None = None,
    account: Account | None = None,
    start: int = 0,
    n_threads: int | None = None,
) -> Portfolios:
    """Trade each rule on all instruments together and summarise its track; see ``track``.

    Returns
    -------
    Portfolios
        One figure a rule. Every rule is a trial: count them.
    """
    check(panel, rules, start)
    world, rate = _World.of(panel, exits, costs, account or Account(), start), bars_per_year(panel, start)
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as threads:
        found = list(threads.map(world.track, rules))
    figures = np.array([_figures(path, world.capital, rate) for path in found])
    return Portfolios(tuple(rules), len(panel.times) - start, np.stack([path.equity for path in found]), *figures.T)


@dataclass(frozen=True, eq=False)
class _World:
    closes: Closes
    bars: Float64
    signs: Bytes
    grids: Float64
    levels: Levels | None
    terms: Terms
    capital: float

    @classmethod
    def of(cls, panel: Panel, exits: Exits | None, costs: Costs | None, account: Account, start: int) -> "_World":
        if account.is_sized_at_fill:
            raise SettingsError(
                "one purse for many positions, sized at the fill", "sized at the decision", "leave the flag out"
            )
        costs = costs or Costs()
        market = account.gridded(market_of(panel, costs).since(start))
        bars = bars_of(market)
        terms = account.terms(costs, account.weight / len(panel.instruments))
        signs, grids = signs_of(bars, market.is_traded.T), np.stack([market.tick, market.lot], axis=1)
        return cls(Closes.of(panel), bars, signs, grids, (exits or Exits()).levels, terms, account.capital)

    def track(self, rule: Rule) -> Path:
        first = self.closes.values.shape[1] - self.bars.shape[1]
        is_up, is_down = (is_above(self.closes, pair)[:, first:] for pair in (rule.up, rule.down))
        signs = self.signs & (IS_TRADED + IS_EVENT + IS_UP * is_up + IS_DOWN * is_down).astype(np.uint8)
        states, path = np.zeros((len(self.bars), LOT + 1)), np.zeros((COSTS + 1, self.bars.shape[1]))
        states[:, [TICK, LOT]] = self.grids
        _run(signs, SIDES[rule.side], self.bars, self.levels, self.terms, self.capital, states, path)
        return Path(path[EQUITY], path[GROSS], path[NET], path[TRADED], path[COSTS], states[:, UNITS])


def _figures(path: Path, capital: float, rate: float) -> tuple[float, ...]:
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = path.equity[1:] / path.equity[:-1] - 1.0
        losses = 1.0 - path.equity / np.maximum.accumulate(path.equity)
        turnover = np.where(path.equity > 0, path.traded / path.equity, 0.0)
    spread = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    is_ruined = bool((path.equity <= 0).any())
    return (
        path.equity[-1] / capital - 1.0,
        np.nan if is_ruined or spread <= 1e-12 else float(returns.mean()) / spread * np.sqrt(rate),
        float(losses.max()),
        float(np.nanmean(path.gross_exposure)),
        float(turnover.sum()) * rate / len(returns),
    )


@compiled_in_place
def _run(
    signs: Bytes, sides: int, bars: Float64, levels: Levels | None, terms: Terms, capital: float, states: Float64, path: Float64
) -> None:
    cash = capital
    for t in range(bars.shape[1]):
        if t > 0:
            cash += _booked(states, bars, terms, t, path)
            cash += _traded(states, bars, cash, terms, t, path)
        equity = _marked(states, bars, cash, t, path)
        for i in range(len(states)):
            sign = signs[i, t]
            if states[i, UNITS] != 0.0 or states[i, SIDE] != 0.0 or sign & IS_TRADED:
                side = np.sign(states[i, UNITS]) if equity > 0.0 else 0.0
                decide(states[i], int(side), bars[i, t], sign, sides, levels)
                order(states[i], equity, bars[i, t, CLOSE], terms)


@compiled_in_place
def _booked(states: Float64, bars: Float64, terms: Terms, t: int, path: Float64) -> float:
    short, flow = 0.0, 0.0
    for i in range(len(states)):
        if states[i, UNITS] < 0.0:
            short -= states[i, UNITS] * bars[i, t - 1, CLOSE]
        flow += settle(states[i], bars[i, t], terms)
    borrow = rounded(short * terms.borrow * bars[0, t, YEARS], terms.cash_parts)
    path[COSTS, t] = borrow
    return flow - borrow


@compiled_in_place
def _traded(states: Float64, bars: Float64, cash: float, terms: Terms, t: int, path: Float64) -> float:
    total = 0.0
    for i in range(len(states)):
        if states[i, ORDER] != 0.0:
            flow, traded, cost = fill(states[i], bars[i, t], cash, terms)
            total += flow
            path[TRADED, t] += traded
            path[COSTS, t] += cost
    return total


@compiled_in_place
def _marked(states: Float64, bars: Float64, cash: float, t: int, path: Float64) -> float:
    long, short = 0.0, 0.0
    for i in range(len(states)):
        units = states[i, UNITS]
        if units > 0.0:
            long += units * bars[i, t, CLOSE]
        elif units < 0.0:
            short -= units * bars[i, t, CLOSE]
    equity = cash + long - short
    scale = 1.0 / equity if equity > 0.0 else np.nan
    path[EQUITY, t], path[GROSS, t], path[NET, t] = equity, (long + short) * scale, (long - short) * scale
    return equity
