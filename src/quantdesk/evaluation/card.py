"""The decision card: for each proposed order, every number that led to it."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.forecast import Forecast
from quantdesk.domain.panel import Panel
from quantdesk.execution.costs import CONDITIONS_LOOKBACK, Costs, Market, fill_price, to_cents
from quantdesk.execution.marks import Marks
from quantdesk.execution.orders import order_id, units_to_trade
from quantdesk.loop import weights_of
from quantdesk.portfolio import limits as limit
from quantdesk.strategy import FittedStrategy, Strategy

LEAST_CHANGE = 0.001
"""Smaller differences between weights wanted and held are not worth naming."""

MOST_CASH = 1e12
"""Account currency; more is taken for a slip."""

N_REASONS = 5
"""Features that a card names."""


@dataclass(frozen=True)
class Proposal:
    """Explain one order. Every number follows from the others on the card.

    ``contributions`` and ``contribution_rest`` add up to ``mean``. ``weight`` is what the limits left
    of ``wanted_weight``. ``target_units`` is ``weight * equity / close`` rounded to ``lot``, and
    ``quantity`` is that less ``held_units``. ``estimated_price`` is ``close`` moved against the order by
    ``half_spread_bps`` and by impact ``impact * volatility * sqrt(|quantity| / daily_units)``; the
    cost adds the commission on it. Returns are logs, weights fractions of equity, money in
    account currency.
    """

    order_id: str
    symbol: str
    side: str
    quantity: float
    close: float
    horizon: int
    mean: float
    low_90: float
    high_90: float
    probability_up: float
    contributions: dict[str, float]
    contribution_rest: float
    strength: float
    wanted_weight: float
    bound_by: str
    weight: float
    target_units: float
    held_units: float
    lot: float
    volatility: float
    daily_units: float
    estimated_price: float
    commission: float
    spread_and_impact: float

    @property
    def cost(self) -> float:
        """Commission, spread and impact, account currency."""
        return self.commission + self.spread_and_impact

    @property
    def expected_gain(self) -> float:
        """What the order adds to the account by the horizon if the forecast's mean comes true, before its cost."""
        return self.quantity * self.close * float(np.expm1(self.mean))


@dataclass(frozen=True)
class Card:
    """Hold tomorrow's orders and what they rest on.

    Parameters
    ----------
    strategy, data : str
        Which strategy, on which data set.
    decided_at : str
        The last close, UTC.
    equity : float
        Net asset value at it, account currency.
    value_at_risk : float
        One-bar loss at 95 % of the portfolio after the orders, fraction of equity.
    commission_bps, half_spread_bps, impact : float
        The cost rates behind the estimates.
    proposals : tuple of Proposal
        One an order, largest first.
    too_small : tuple of str
        Symbols whose wanted change is less than a lot, or that did not trade in the last bar.
    """

    strategy: str
    data: str
    decided_at: str
    equity: float
    value_at_risk: float
    commission_bps: float
    half_spread_bps: float
    impact: float
    proposals: tuple[Proposal, ...]
    too_small: tuple[str, ...] = ()

    @property
    def n_below_cost(self) -> int:
        """Count the orders that are expected to earn less than they cost."""
        return sum(one.expected_gain < one.cost for one in self.proposals)


@dataclass(frozen=True, eq=False)
class _Decision:
    forecast: Forecast
    reasons: Float64
    feature_names: tuple[str, ...]
    strength: Float64
    wanted: Float64
    allowed: limit.Allowed
    units: Float64
    trades: Float64
    market: Market


def card(fitted: FittedStrategy, panel: Panel, units: Float64, cash: float, costs: Costs) -> Card:
    """Decide at the panel's last close, whatever the rebalancing calendar says.

    Parameters
    ----------
    fitted : FittedStrategy
        What decides.
    panel : Panel
        History up to now.
    units : Float64
        Signed units held (n_instruments,).
    cash : float
        Cash in the account, account currency.
    costs : Costs
        What trading will cost.

    Raises
    ------
    DataError
        If the account is worth nothing.
    """
    if not abs(cash) <= MOST_CASH:
        raise DataError(f"cash of {cash}", f"a number up to {MOST_CASH:,.0f}", "correct --cash")
    prices = Marks().after(panel).prices
    equity = cash + float(np.nan_to_num(prices) @ units)
    if equity <= 0:
        raise DataError(
            f"the account is worth {equity:,.2f} at {panel.now}",
            "a positive net asset value",
            "check the cash and the positions",
        )
    decision = _decide(fitted, panel, units, equity, weights_of(units, prices, equity), costs)
    order = np.argsort(-np.abs(decision.trades * np.nan_to_num(prices)), kind="stable")
    return Card(
        strategy=fitted.strategy.name,
        data=panel.name,
        decided_at=str(panel.now.astype("datetime64[m]")),
        equity=equity,
        value_at_risk=decision.allowed.value_at_risk,
        commission_bps=costs.commission_bps * costs.multiplier,
        half_spread_bps=costs.half_spread_bps * costs.multiplier,
        impact=costs.impact * costs.multiplier,
        proposals=tuple(_propose(fitted.strategy, decision, panel, costs, int(i)) for i in order if decision.trades[i]),
        too_small=tuple(panel.symbols[i] for i in np.flatnonzero(_is_left_out(decision, prices, equity))),
    )


def _side(quantity: float, held: float) -> str:
    if quantity > 0:
        return "buy to cover" if held < 0 else "buy"
    return "sell" if held + quantity >= 0 else "sell short"


def read_positions(path: Path | None, symbols: tuple[str, ...]) -> Float64:
    """Read what is held from a CSV with columns ``symbol,quantity`` (n_instruments,); no file: nothing.

    Raises
    ------
    DataError
        If the file is not so, or names an instrument that the data does not have.
    """
    units = np.zeros(len(symbols))
    for number, row in _rows(path) if path else ():
        symbol, quantity = row.get("symbol") or "", row.get("quantity") or ""
        try:
            units[symbols.index(symbol)] += _finite(quantity)
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: symbol {symbol!r}, quantity {quantity!r}",
                "columns symbol,quantity with a symbol of the data set and a number",
                "correct the line",
            ) from error
    return units


def _rows(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        # Spreadsheets put a mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(enumerate(csv.DictReader(file), start=2))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}", "a CSV file with columns symbol,quantity", "check the path"
        ) from error


def _finite(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(text)
    return number


def _decide(fitted: FittedStrategy, panel: Panel, units: Float64, equity: float, held: Float64, costs: Costs) -> _Decision:
    strategy, dataset = fitted.strategy, fitted.dataset(panel)
    forecast = fitted.forecaster.forecast(dataset).at(-1)
    signal = strategy.signal.signal(forecast, held)
    wanted = strategy.sizing.weights(signal, forecast, panel)
    allowed = limit.apply(strategy.limits, wanted, held, panel, limit.Sectors.of(panel.instruments))
    lots = np.array([instrument.lot_size for instrument in panel.instruments])
    return _Decision(
        forecast=forecast,
        reasons=fitted.forecaster.contributions(dataset.rows(len(dataset) - 1, len(dataset)))[-1, :, :, :-1],
        feature_names=dataset.feature_names,
        strength=signal.strength,
        wanted=wanted,
        allowed=allowed,
        units=units,
        trades=units_to_trade(allowed.weights, units, equity, panel.fields["close"][-1], lots),
        market=Market.of(panel.rows(max(0, len(panel.times) - CONDITIONS_LOOKBACK), len(panel.times)), costs),
    )


def _is_left_out(decision: _Decision, prices: Float64, equity: float) -> Bools:
    wanted = np.nan_to_num(decision.allowed.weights)
    is_apart: Bools = np.abs(wanted - weights_of(decision.units, prices, equity)) > LEAST_CHANGE
    is_idle: Bools = decision.trades == 0
    return is_apart & is_idle


def _propose(strategy: Strategy, decision: _Decision, panel: Panel, costs: Costs, i: int) -> Proposal:
    instrument, h, market = panel.instruments[i], strategy.horizons.index(strategy.horizon), decision.market
    quantity, close = float(decision.trades[i]), float(panel.fields["close"][-1, i])
    volatility, daily_units = float(market.volatility[-1, i]), float(market.volume[-1, i])
    price = fill_price(
        close, quantity, volatility, daily_units, costs.rates.half_spread, costs.rates.impact, instrument.tick_size
    )
    mean, reasons = float(decision.forecast.mean[i, h]), np.nan_to_num(decision.reasons[i, h])
    top = np.argsort(-np.abs(reasons), kind="stable")[:N_REASONS]
    named = {decision.feature_names[f]: float(reasons[f]) for f in top if reasons[f]}
    return Proposal(
        order_id=order_id(strategy.name, panel.now, instrument.symbol),
        symbol=instrument.symbol,
        side=_side(quantity, float(decision.units[i])),
        quantity=quantity,
        close=close,
        horizon=strategy.horizon,
        mean=mean,
        low_90=float(decision.forecast.quantiles[i, h, 0]),
        high_90=float(decision.forecast.quantiles[i, h, -1]),
        probability_up=float(decision.forecast.probability_up[i, h]),
        contributions=named,
        contribution_rest=mean - sum(named.values()),
        strength=float(decision.strength[i]),
        wanted_weight=float(decision.wanted[i]),
        bound_by=decision.allowed.bounds[i],
        weight=float(decision.allowed.weights[i]),
        target_units=float(decision.units[i]) + quantity,
        held_units=float(decision.units[i]),
        lot=instrument.lot_size,
        volatility=volatility,
        daily_units=daily_units,
        estimated_price=price,
        commission=to_cents(costs.rates.commission * abs(quantity) * price),
        spread_and_impact=quantity * (price - close),
    )
