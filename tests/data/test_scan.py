"""Choosing instruments that move apart."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quantdesk.data.scan import overlapping, scan
from quantdesk.domain.arrays import Bools, Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

REAL = Path(__file__).resolve().parents[2] / "../shared/data/us_daily_sp500_2018_2023/ohlcv.parquet"


def _panel(returns: Float64, symbols: str | tuple[str, ...], is_gone: Bools | None = None) -> Panel:
    close = 50.0 * np.exp(np.cumsum(returns, axis=0))
    if is_gone is not None:
        close[is_gone] = np.nan
    times = np.datetime64("2020-01-01T21:00", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    return Panel(times, tuple(Instrument(symbol) for symbol in symbols), {"close": close}, name="world")


def _blend(n_bars: int = 600) -> Float64:
    """A; B mostly A; C half A; D minus A; E on its own."""
    own = np.random.default_rng(1).normal(0, 0.01, (n_bars, 5))
    a = own[:, 0]
    return np.stack([a, 0.9 * a + 0.2 * own[:, 1], 0.5 * a + 0.8 * own[:, 2], -a, own[:, 4]], axis=1)


def _by_pandas(panel: Panel, start: str, count: int, min_bars: int) -> tuple[str, ...]:
    traded = np.isfinite(panel.fields["close"])
    returns = np.where(traded[1:] & traded[:-1], Bars.of(panel).returns[1:], np.nan)
    matrix = pd.DataFrame(returns, columns=list(panel.symbols)).corr(min_periods=min_bars).abs()
    chosen = [start]
    while len(chosen) < count:
        rest = matrix.loc[sorted(set(panel.symbols) - set(chosen)), chosen].dropna()
        chosen.append(str(rest.mean(axis=1).idxmin()))
    return tuple(chosen)


def test_each_next_symbol_is_the_least_correlated_with_those_chosen() -> None:
    assert scan(_panel(_blend(), "ABCDE"), "A", 3) == ("A", "E", "C")


def test_a_mirror_image_is_as_close_as_a_copy() -> None:
    assert scan(_panel(_blend(), "ABCDE"), "A", 5)[-1] == "D"


def test_the_choice_is_that_of_a_full_correlation_matrix_with_halts() -> None:
    draw = np.random.default_rng(3)
    returns = draw.normal(0, 0.02, (500, 1)) * draw.uniform(0, 2, 30) + draw.normal(0, 0.02, (500, 30))
    panel = _panel(returns, tuple(f"S{i:02}" for i in range(30)), draw.random((500, 30)) < 0.05)
    assert scan(panel, "S07", 12, min_bars=100) == _by_pandas(panel, "S07", 12, 100)


def test_a_return_over_a_halt_is_not_compared_with_a_return_of_one_day() -> None:
    returns = _blend()
    returns[300, 4] = -0.9  # on the day E comes back
    is_gone = np.zeros(returns.shape, dtype=np.bool_)
    is_gone[295:300, 4] = True
    returns[300, 0] = -0.9
    assert scan(_panel(returns, "ABCDE", is_gone), "A", 2) == ("A", "E")


def test_ties_go_to_the_first_symbol_of_the_alphabet_whatever_the_order_of_columns() -> None:
    returns = _blend()[:, [0, 4, 4, 2]]
    assert scan(_panel(returns, "AZMC"), "A", 2) == ("A", "M")
    assert scan(_panel(returns[:, [2, 1, 3, 0]], "MZCA"), "A", 2) == ("A", "M")


def test_bars_before_the_date_do_not_count() -> None:
    returns = _blend()
    returns[:200, 4] = returns[:200, 0] * 40.0  # E was A's shadow, once
    panel = _panel(returns, "ABCDE")
    assert scan(panel, "A", 2)[1] != "E"
    assert scan(panel, "A", 2, since=panel.times[200]) == ("A", "E")


def test_an_instrument_that_did_not_trade_by_the_date_is_no_candidate() -> None:
    is_gone = np.zeros((600, 5), dtype=np.bool_)
    is_gone[:110, 4] = True
    panel = _panel(_blend(), "ABCDE", is_gone)
    assert scan(panel, "A", 2) == ("A", "E")
    assert scan(panel, "A", 2, since=panel.times[100]) == ("A", "C")
    assert scan(panel, "A", 2, since=panel.times[106]) == ("A", "E")


def test_an_instrument_that_ended_later_may_be_chosen() -> None:
    is_gone = np.zeros((600, 5), dtype=np.bool_)
    is_gone[400:, 4] = True
    panel = _panel(_blend(), "ABCDE", is_gone)
    assert scan(panel, "A", 2, since=panel.times[0]) == ("A", "E")


def test_two_that_share_too_few_bars_are_not_chosen_together() -> None:
    is_gone = np.zeros((600, 5), dtype=np.bool_)
    is_gone[:350, 4] = True
    panel = _panel(_blend(), "ABCDE", is_gone)
    assert scan(panel, "A", 2, min_bars=249)[1] == "E"
    assert scan(panel, "A", 2, min_bars=250)[1] == "C"


def test_excluded_symbols_are_passed_over() -> None:
    assert scan(_panel(_blend(), "ABCDE"), "A", 2, exclude=("E",)) == ("A", "C")
    with pytest.raises(DataError, match="A is to be started with and excluded"):
        scan(_panel(_blend(), "ABCDE"), "A", 2, exclude=("A",))


def test_an_instrument_that_never_moves_is_not_chosen() -> None:
    returns = _blend()
    returns[:, 4] = 0.0
    assert "E" not in scan(_panel(returns, "ABCDE"), "A", 4)


def test_a_start_that_is_unknown_or_too_young_is_refused_by_name() -> None:
    panel = _panel(_blend(100), "ABCDE")
    with pytest.raises(DataError, match="unknown symbol 'X'"):
        scan(panel, "X", 2)
    with pytest.raises(DataError, match="A has 99 returns in 'world'"):
        scan(panel, "A", 2)


def test_a_universe_that_is_too_small_is_refused_with_its_size() -> None:
    with pytest.raises(DataError, match="only 5 instruments"):
        scan(_panel(_blend(), "ABCDE"), "A", 6)
    with pytest.raises(DataError, match="a scan for 0 symbols"):
        scan(_panel(_blend(), "ABCDE"), "A", 0)


def test_symbols_in_both_lists_are_refused_by_name() -> None:
    overlapping(("AAPL", "MO"), ("F", "T"))
    with pytest.raises(DataError, match="ROST, JNPR are in both"):
        overlapping(("AAPL", "ROST", "JNPR", "MO"), ("F", "JNPR", "ROST"))


@pytest.mark.real_data
def test_the_scan_of_five_hundred_stocks_is_that_of_the_full_matrix() -> None:
    if not REAL.is_file():
        pytest.skip(f"no real data at {REAL}")
    import polars as pl

    table = pl.read_parquet(REAL, columns=["Date", "symbol", "Adj Close"])
    wide = table.pivot(on="symbol", index="Date", values="Adj Close").sort("Date")
    symbols = tuple(name for name in wide.columns if name != "Date")
    close = wide.select(symbols).to_numpy().astype(np.float64)
    panel = Panel(wide["Date"].to_numpy(), tuple(Instrument(one) for one in symbols), {"close": close}, name="sp500")
    assert scan(panel, "AAPL", 11) == _by_pandas(panel, "AAPL", 11, 252)
