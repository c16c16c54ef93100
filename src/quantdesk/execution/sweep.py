"""Try many rules on many instruments in one compiled pass, each pair an account of its own."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from quantdesk.domain.arrays import Float64, Ints
from quantdesk.domain.bars import carry_forward, unit_growth
from quantdesk.domain.errors import SettingsError, StrategyError
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import Costs, Market
from quantdesk.execution.lines import Closes, Line
from quantdesk.execution.position import CLOSE, FINE, LOT, TICK, Levels, Terms, bars_of, signs_of
from quantdesk.execution.rules import SIDES, Exits, Rule
from quantdesk.execution.sweep_kernel import CASH, FILLS, HELD, PEAK, SQUARES, TOTAL, TURNOVER, WORST, WORTH, run_rules

BLOCK = 8
"""Instruments whose lines lie in memory at once, a thread."""

SECONDS_PER_YEAR = 365.25 * 86_400


@dataclass(frozen=True)
class Account:
    """Choose what each account begins with, and how it sizes and rounds.

    Parameters
    ----------
    capital : float
        Cash at the start, account currency.
    weight : float
        Fraction of the account's worth that a position takes at entry.
    is_exact : bool
        Whether cents, ticks and lots are kept, as the loop keeps them. Otherwise nothing is
        rounded and units are fractional.
    is_sized_at_fill : bool
        Whether units follow from the worth and price at the fill, fee included (all of the cash
        at a weight of 1), instead of those of the close decided on. Needs ``is_exact`` false.

    Raises
    ------
    SettingsError
        If there is no capital or weight, or both flags are set.
    """

    capital: float = 100_000.0
    weight: float = 1.0
    is_exact: bool = False
    is_sized_at_fill: bool = False

    def __post_init__(self) -> None:
        if not (self.capital > 0 and self.weight > 0):
            raise SettingsError(
                f"an account with a capital of {self.capital} and a weight of {self.weight}", "positive numbers", "correct them"
            )
        if self.is_exact and self.is_sized_at_fill:
            raise SettingsError(
                "an exact account sized at the fill", "one of the two", "an order has its units before its price"
            )

    def terms(self, costs: Costs, weight: float) -> Terms:
        """Return the form that compiled code takes."""
        # The grids of the ledger and of ``units_for``; or grids too fine to matter.
        parts = (100.0, 1e8, 1048576.0) if self.is_exact else (1.0 / FINE,) * 3
        return Terms(*costs.rates, weight, *parts, self.is_sized_at_fill)

    def gridded(self, market: Market) -> Market:
        """Return the market with the ticks and lots that the account keeps."""
        fine = np.full(len(market.tick), FINE)
        return market if self.is_exact else market._replace(tick=fine, lot=fine)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Hold what each rule earned on each instrument, arrays of shape (n_rules, n_instruments).

    Figures are defined as in a report on one track, over the bars from ``start`` on.

    Parameters
    ----------
    rules : tuple of Rule
        The rows.
    symbols : tuple of str
        The columns.
    n_bars : int
        Bars traded on.
    total_return : Float64
        Final worth over capital, less 1.
    sharpe : Float64
        Mean over standard deviation (n - 1) of bar returns, annual; NaN where nothing moved or
        the account was worth 0 or less.
    max_drawdown : Float64
        Largest loss from a peak, as a positive fraction.
    n_fills : Float64
        Orders filled.
    exposure : Float64
        Share of bars at whose close a position was held.
    turnover : Float64
        Value traded over worth, a year.
    """

    rules: tuple[Rule, ...]
    symbols: tuple[str, ...]
    n_bars: int
    total_return: Float64
    sharpe: Float64
    max_drawdown: Float64
    n_fills: Float64
    exposure: Float64
    turnover: Float64


def sweep(
    panel: Panel,
    rules: Sequence[Rule],
    exits: Exits | None = None,
    costs: Costs | None = None,
    account: Account | None = None,
    start: int = 0,
    n_threads: int | None = None,
) -> Sweep:
    """Trade every rule on every instrument, each pair in an account of its own.

    Signals are decided at a close and filled at the next bar's open (its close where the data has
    no opens); an order whose instrument does not trade then lapses. Splits, dividends, delistings
    and the cost of borrowing are booked as in the loop.

    Parameters
    ----------
    panel : Panel
        History, with the bars before ``start`` that rules look back on.
    rules : sequence of Rule
        What to try; see ``rules.grid``.
    exits : Exits, optional
        Levels at which positions are closed; none by default.
    costs : Costs, optional
        What trading costs; the desk's defaults if none are given. Without impact it starts faster.
    account : Account, optional
        Capital, weight and rounding.
    start : int
        Position of the first bar traded on.
    n_threads : int, optional
        Threads; one a core by default.

    Returns
    -------
    Sweep
        One figure a rule and instrument. Every one of them is a trial: count them.

    Raises
    ------
    StrategyError
        If there is no rule, or no two bars to trade on.
    """
    check(panel, rules, start)
    costs, account = costs or Costs(), account or Account()
    lines = tuple(dict.fromkeys(line for rule in rules for line in (*rule.up, *rule.down)))
    accounts = np.zeros((len(panel.instruments), len(rules), TURNOVER + 1))
    market = account.gridded(market_of(panel, costs))
    for place, value in ((CASH, account.capital), (WORTH, account.capital), (PEAK, account.capital)):
        accounts[:, :, place] = value
    accounts[:, :, TICK], accounts[:, :, LOT] = market.tick[:, None], market.lot[:, None]
    levels, terms = (exits or Exits()).levels, account.terms(costs, account.weight)
    task = _Task(panel, market, lines, rule_codes(rules, lines), levels, terms, start, accounts)
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as threads:
        list(threads.map(task.run, range(0, len(panel.instruments), BLOCK)))
    return _summary(panel, rules, start, account.capital, accounts)


def _summary(panel: Panel, rules: Sequence[Rule], start: int, capital: float, accounts: Float64) -> Sweep:
    n_bars, rate = len(panel.times) - start, bars_per_year(panel, start)
    worth, total, squares, worst, n_fills, n_held, turnover = (
        np.ascontiguousarray(accounts[:, :, place].T) for place in (WORTH, TOTAL, SQUARES, WORST, FILLS, HELD, TURNOVER)
    )
    mean = total / (n_bars - 1)
    variance = np.maximum(squares - total * mean, 0.0) / max(n_bars - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = np.where(variance > 1e-24, mean / np.sqrt(variance) * np.sqrt(rate), np.nan)
    return Sweep(
        tuple(rules),
        panel.symbols,
        n_bars,
        worth / capital - 1.0,
        sharpe,
        worst,
        n_fills,
        n_held / n_bars,
        turnover * rate / (n_bars - 1),
    )


def check(panel: Panel, rules: Sequence[Rule], start: int) -> None:
    """Refuse a sweep of nothing."""
    if not rules:
        raise StrategyError("a sweep without rules", "one rule or more", "make some with grid")
    if len(panel.times) - start < 2 or start < 0:
        raise StrategyError(
            f"a sweep from bar {start} of {len(panel.times)}", "two bars to trade on or more", "choose an earlier start"
        )


def rule_codes(rules: Sequence[Rule], lines: Sequence[Line]) -> Ints:
    """Write each rule as positions of its four lines, and its sides (n_rules, 5)."""
    at = {line: j for j, line in enumerate(lines)}
    return np.array([[*(at[line] for line in (*rule.up, *rule.down)), SIDES[rule.side]] for rule in rules], dtype=np.int64)


def bars_per_year(panel: Panel, start: int) -> float:
    """Count the bars traded on over the years they span."""
    seconds = (panel.times[-1] - panel.times[start]) / np.timedelta64(1, "s")
    return float((len(panel.times) - start - 1) * SECONDS_PER_YEAR / seconds)


def market_of(panel: Panel, costs: Costs) -> Market:
    """Read the world from a panel; volatility and volume only where there is an impact to compute."""
    if costs.rates.impact > 0:
        return Market.of(panel, costs)
    close, split = panel.fields["close"], panel.get("split")
    nothing = np.broadcast_to(0.0, panel.shape)
    elapsed = np.diff(panel.times, prepend=panel.times[:1]) / np.timedelta64(1, "D")
    return Market(
        price=np.where(np.isfinite(close), panel.fields.get("open", close), np.nan),
        close=_carried(panel),
        is_traded=np.isfinite(close).astype(np.float64),
        split=split,
        dividend=panel.get("dividend"),
        delisting=panel.get("delisting"),
        volatility=nothing,
        volume=nothing,
        years=np.asarray(elapsed / 365.0, dtype=np.float64),
        tick=np.array([instrument.tick_size for instrument in panel.instruments]),
        lot=np.array([instrument.lot_size for instrument in panel.instruments]),
    )


def _carried(panel: Panel) -> Float64:
    close = panel.fields["close"]
    is_known = np.isfinite(close)
    # Where nothing is missing, nothing is compiled for it.
    if is_known.all():
        return close
    growth = unit_growth(panel)
    return np.where(is_known, close, carry_forward(close * growth) / growth)


def _part(market: Market, start: int, first: int, last: int) -> Market:
    wide = {name: values[:, first:last] for name, values in market.since(start)._asdict().items() if values.ndim == 2}
    return market.since(start)._replace(**wide)


@dataclass(frozen=True, eq=False)
class _Task:
    panel: Panel
    market: Market
    lines: tuple[Line, ...]
    codes: Ints
    levels: Levels | None
    terms: Terms
    start: int
    accounts: Float64

    def run(self, first: int) -> None:
        """Trade every rule on the instruments of one block."""
        last = min(first + BLOCK, len(self.panel.instruments))
        fields = {name: values[:, first:last] for name, values in self.panel.fields.items()}
        closes = Closes.of(replace(self.panel, instruments=self.panel.instruments[first:last], fields=fields, known_at={}))
        bars = bars_of(_part(self.market, self.start, first, last))
        table = np.stack([*(closes.draw(line)[:, self.start :] for line in self.lines), bars[:, :, CLOSE]], axis=1)
        signs = signs_of(bars, self.market.is_traded[self.start :, first:last].T)
        own = np.empty_like(signs[0])
        for i in range(last - first):
            run_rules(table[i], bars[i], signs[i], own, self.codes, self.levels, self.terms, self.accounts[first + i])
