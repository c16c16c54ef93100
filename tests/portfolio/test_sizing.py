"""From a signal to weights."""

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.decision import Signal
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.forecast import LEVELS, Forecast
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Sizing
from quantdesk.portfolio.sizing import Equal, FractionalKelly, VolatilityScaled
from small_worlds import random_world


def panel_of(returns: Float64, **fields: Float64) -> Panel:
    close = 100 * np.exp(np.cumsum(returns, axis=0))
    times = np.datetime64("2001-01-01", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    instruments = tuple(Instrument(f"S{place}") for place in range(close.shape[1]))
    return Panel(times, instruments, {"close": close, **fields})


def swinging(volatilities: list[float], n_times: int = 80) -> Panel:
    """Alternate up and down by the given amounts, so that volatility is known exactly."""
    return panel_of(np.where(np.arange(n_times)[:, None] % 2, 1.0, -1.0) * np.array(volatilities))


def forecast_of(means: list[float], width: float = 0.1) -> Forecast:
    quantiles = np.array(means)[:, None, None] + width * (np.array(LEVELS) - 0.5)
    return Forecast(np.datetime64("2001-01-01", "ns"), tuple(f"S{place}" for place in range(len(means))), (5,), quantiles)


def sized(sizing: Sizing, strength: list[float], panel: Panel | None = None, means: list[float] | None = None) -> Float64:
    n_instruments = len(strength)
    forecast = forecast_of([0.01] * n_instruments if means is None else means)
    return sizing.weights(Signal(np.array(strength)), forecast, panel or swinging([0.01] * n_instruments))


every_sizing = pytest.mark.parametrize(
    "sizing", [Equal(), VolatilityScaled(), FractionalKelly()], ids=lambda s: type(s).__name__
)


@every_sizing
def test_no_opinion_is_no_weight(sizing: Sizing) -> None:
    assert isinstance(sizing, Sizing)
    np.testing.assert_array_equal(sized(sizing, [0.0, 0.0, 0.0]), np.zeros(3))
    weights = sized(sizing, [0.5, 0.0, 0.5])
    assert weights[1] == 0.0
    assert weights[0] > 0


@every_sizing
def test_weights_are_never_missing(sizing: Sizing) -> None:
    close = np.full((80, 4), np.nan)
    close[:, 0] = swinging([0.01]).fields["close"][:, 0]
    close[-3:, 1] = 5.0
    close[:, 2] = 7.0
    panel = Panel(swinging([0.01]).times, tuple(Instrument(name) for name in "abcd"), {"close": close})
    weights = sized(sizing, [0.5, 1.0, 1.0, 1.0], panel, [np.nan, 0.01, np.nan, 0.01])
    assert np.isfinite(weights).all()


def test_equal_weights_follow_the_direction_only() -> None:
    np.testing.assert_allclose(sized(Equal(gross=0.9), [1.0, -0.2, 0.1, 0.0]), [0.3, -0.3, 0.3, 0.0])


def test_volatility_scaled_weights_go_by_strength_over_volatility() -> None:
    weights = sized(VolatilityScaled(cap=1.0), [1.0, 1.0, -0.5], swinging([0.01, 0.02, 0.01]))
    np.testing.assert_allclose(weights, [0.5, 0.25, -0.25])


def test_volatility_is_that_of_the_last_sixty_bars() -> None:
    calm_then_wild = swinging([0.01, 0.01], 140).fields["close"].copy()
    wild = swinging([0.02, 0.01], 140).fields["close"]
    calm_then_wild[79:] = wild[79:]
    panel = swinging([0.01, 0.01], 140)
    later = Panel(panel.times, panel.instruments, {"close": calm_then_wild})
    np.testing.assert_allclose(sized(VolatilityScaled(cap=1.0), [1.0, 1.0], later), [1 / 3, 2 / 3])


def test_few_signals_do_not_make_large_positions() -> None:
    weights = sized(VolatilityScaled(cap=0.25), [0.01] + [0.0] * 19)
    np.testing.assert_allclose(weights, [0.25] + [0.0] * 19)
    np.testing.assert_allclose(sized(VolatilityScaled(cap=0.25), [0.01, 0.0]), [0.5, 0.0])


def test_a_split_is_not_volatility() -> None:
    panel = swinging([0.01, 0.01])
    close, split = panel.fields["close"].copy(), np.full((80, 2), np.nan)
    close[60:, 0] /= 2
    split[60, 0] = 2.0
    adjusted = Panel(panel.times, panel.instruments, {"close": close, "split": split})
    np.testing.assert_allclose(sized(VolatilityScaled(cap=1.0), [1.0, 1.0], adjusted), [0.5, 0.5])


def test_a_price_that_hardly_moves_is_not_taken_for_safe() -> None:
    weights = sized(VolatilityScaled(cap=1.0), [1.0, 1.0, 1.0], swinging([0.01, 0.01, 1e-7]))
    np.testing.assert_allclose(weights, [1 / 7, 1 / 7, 5 / 7])


def test_halted_bars_do_not_calm_the_volatility() -> None:
    panel = swinging([0.01, 0.01])
    close = panel.fields["close"].copy()
    close[30:50, 0] = np.nan
    halted = Panel(panel.times, panel.instruments, {"close": close})
    np.testing.assert_allclose(sized(VolatilityScaled(cap=1.0), [1.0, 1.0], halted), [0.5, 0.5], rtol=0.02)


def by_definition(panel: Panel, lookback_bars: int) -> Float64:
    """Measure the volatility on the returns that features see."""
    bars = Bars.of(panel.rows(max(0, len(panel.times) - lookback_bars - 1), len(panel.times)))
    returns = np.where(np.isfinite(bars.returns) & bars.is_traded, bars.returns, np.nan)
    known = [column[np.isfinite(column)] for column in returns.T]
    return np.array([np.std(column, ddof=1) if len(column) >= 10 else 0.0 for column in known])


@pytest.mark.parametrize("seed", range(8))
def test_the_volatility_is_that_of_total_returns_between_trades(seed: int) -> None:
    panel, strength = random_world(seed, 90, n=8), np.ones(8)
    for stop in (5, 15, 61, 90):
        seen = panel.rows(0, stop)
        volatility = by_definition(seen, 60)
        with np.errstate(divide="ignore"):
            floor = 0.2 * np.median(volatility[volatility > 0]) if volatility.any() else 0.0
            inverse = np.where(volatility > 0, 1 / np.maximum(volatility, floor), 0.0)
        expected = inverse / inverse.sum() if inverse.any() else inverse
        found = VolatilityScaled(cap=1.0).weights(Signal(strength), forecast_of([0.01] * 8), seen)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_too_short_a_history_gives_no_weight() -> None:
    np.testing.assert_array_equal(sized(VolatilityScaled(), [1.0, 1.0], swinging([0.01, 0.01], 10)), np.zeros(2))
    assert sized(VolatilityScaled(), [1.0, 1.0], swinging([0.01, 0.01], 11)).all()


def test_kelly_bets_a_fraction_of_mean_over_variance() -> None:
    means, width = [0.002, -0.001, 0.003], 0.4
    forecast = forecast_of(means, width)
    sizing = FractionalKelly(fraction=0.25, cap=1.0)
    weights = sizing.weights(Signal(np.array([1.0, -0.5, -1.0])), forecast, swinging([0.01] * 3))
    variance = (0.9 * width / 3.2897072539) ** 2
    np.testing.assert_allclose(weights, [0.25 * 0.002 / variance, -0.125 * 0.001 / variance, 0.0])


def test_kelly_is_capped_by_name_and_in_all() -> None:
    weights = sized(FractionalKelly(cap=0.1, gross=0.25), [1.0, 1.0, 1.0, -1.0], means=[0.02, 0.02, 0.02, -0.02])
    np.testing.assert_allclose(weights, [0.0625, 0.0625, 0.0625, -0.0625])
    np.testing.assert_allclose(sized(FractionalKelly(cap=0.1), [1.0, 0.0], means=[0.02, 0.02]), [0.1, 0.0])


def test_kelly_needs_the_horizon_that_it_reads() -> None:
    with pytest.raises(StrategyError, match="horizon of 9"):
        sized(FractionalKelly(horizon=9), [1.0])


@pytest.mark.parametrize(
    ("sizing", "name", "value"),
    [
        (VolatilityScaled, "gross", "1"),
        (VolatilityScaled, "lookback_bars", 60.5),
        (Equal, "gross", None),
        (Equal, "gross", float("nan")),
        (FractionalKelly, "cap", True),
        (FractionalKelly, "horizon", "5"),
    ],
)
def test_a_size_of_the_wrong_kind_is_refused_by_name_when_it_is_written_down(sizing: type, name: str, value: object) -> None:
    with pytest.raises(StrategyError, match=f"{sizing.__name__} has {name} = {value!r}"):
        sizing(**{name: value})


def test_sizes_of_nought_or_less_are_refused() -> None:
    for make in (lambda: Equal(gross=0.0), lambda: VolatilityScaled(cap=-1.0), lambda: FractionalKelly(fraction=0.0)):
        with pytest.raises(StrategyError, match="a number above 0"):
            make()
