"""Synthetic markets: no edge unless one is planted, and then of the size that was asked for."""

from functools import cache

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic, Truth
from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel


def _daily_ic(score: Float64, label: Float64) -> tuple[float, float]:
    """Average the cross-sectional correlation over days; with its standard error."""
    daily = []
    for one, other in zip(score, label, strict=True):
        both = np.isfinite(one) & np.isfinite(other)
        if both.sum() > 5:
            daily.append(float(np.corrcoef(one[both], other[both])[0, 1]))
    return float(np.mean(daily)), float(np.std(daily) / np.sqrt(len(daily)))


def _label(panel: Panel) -> Float64:
    opens = Bars.of(panel).open
    label = np.full(panel.shape, np.nan)
    label[:-2] = np.log(opens[2:] / opens[1:-1])
    return label


@cache
def _market(ic: float) -> tuple[Panel, Truth]:
    source = Synthetic(n_instruments=200, n_days=1200, ic=ic, seed=11)
    return source.fetch(), source.truth()


def test_without_a_planted_edge_momentum_tells_nothing() -> None:
    panel, truth = _market(0.0)
    for label in (truth.residual, _label(panel)):
        mean, error = _daily_ic(truth.score, label)
        assert abs(mean) < 3 * error


def test_a_planted_edge_has_the_size_that_was_asked_for() -> None:
    panel, truth = _market(0.05)
    mean, error = _daily_ic(truth.score, truth.residual)
    assert error < 0.003
    assert abs(mean - 0.05) < 3 * error
    seen, _ = _daily_ic(truth.score, _label(panel))
    assert 0.035 < seen < 0.056


def test_the_planted_edge_can_be_found_from_the_panel_alone() -> None:
    panel, _ = _market(0.1)
    close = Bars.of(panel).close
    momentum = np.full(panel.shape, np.nan)
    momentum[20:] = np.log(close[20:] / close[:-20])
    mean, _ = _daily_ic(momentum, _label(panel))
    assert 0.08 < mean < 0.11


def test_the_largest_edge_allowed_stays_stable() -> None:
    returns = Bars.of(Synthetic(n_instruments=30, n_days=2000, ic=0.2, seed=2).fetch()).returns
    assert float(np.nanstd(returns)) < 0.03


def test_the_score_is_the_momentum_of_observed_closes() -> None:
    panel, truth = _market(0.05)
    close = Bars.of(panel).close
    is_scored = np.isfinite(truth.score[300])
    momentum = np.log(close[300] / close[280])[is_scored]
    assert np.corrcoef(momentum, truth.score[300][is_scored])[0, 1] > 0.98
    assert np.isnan(truth.score[:20]).all()
    assert truth.score[300][is_scored].mean() == pytest.approx(0.0, abs=1e-12)
    assert truth.score[300][is_scored].std() == pytest.approx(1.0)


def test_no_instrument_earns_more_than_another_on_average() -> None:
    simple = np.expm1(Bars.of(Synthetic(n_instruments=150, n_days=2500, seed=5).fetch()).returns)
    own = simple[1:] - np.nanmean(simple[1:], axis=1, keepdims=True)
    error = np.nanstd(own, axis=0) / np.sqrt(np.isfinite(own).sum(axis=0))
    scores = np.nanmean(own, axis=0) / error
    assert 0.85 < scores.std() < 1.15


def test_one_return_does_not_tell_the_next() -> None:
    returns = Bars.of(Synthetic(n_instruments=100, n_days=2000, seed=6).fetch()).returns
    own = returns[1:] - np.nanmean(returns[1:], axis=1, keepdims=True)
    both = np.isfinite(own[1:]) & np.isfinite(own[:-1])
    lagged = np.corrcoef(own[1:][both], own[:-1][both])[0, 1]
    assert abs(lagged) < 4 / np.sqrt(both.sum())


def test_volatility_clusters_and_tails_are_fat() -> None:
    returns = Bars.of(Synthetic(n_instruments=50, n_days=2500, seed=7).fetch()).returns
    whole = returns[1:][:, np.isfinite(returns[1:]).all(axis=0)]
    squares = whole**2
    clustering = np.mean([np.corrcoef(column[1:], column[:-1])[0, 1] for column in squares.T])
    kurtosis = np.mean((whole - whole.mean(axis=0)) ** 4, axis=0) / whole.var(axis=0) ** 2
    assert clustering > 0.03
    assert float(np.median(kurtosis)) > 4.0


def test_about_three_tenths_of_the_variance_comes_overnight() -> None:
    fields = Synthetic(seed=8).fetch().fields
    gap = np.log(fields["open"][1:] / fields["close"][:-1])
    is_plain = np.isnan(fields["split"][1:]) & np.isnan(fields["dividend"][1:])
    day = np.log(fields["close"] / fields["open"])
    share = np.nanvar(gap[is_plain]) / (np.nanvar(gap[is_plain]) + np.nanvar(day))
    assert 0.25 < share < 0.36


def test_sectors_move_together() -> None:
    panel = Synthetic(n_instruments=40, n_days=1500, seed=9).fetch()
    returns = np.nan_to_num(Bars.of(panel).returns)
    own = returns - returns.mean(axis=1, keepdims=True)
    sectors = np.array([instrument.sector for instrument in panel.instruments])
    related = np.corrcoef(own.T)
    is_same = (sectors[:, None] == sectors) & ~np.eye(len(sectors), dtype=bool)
    assert related[is_same].mean() > related[sectors[:, None] != sectors].mean() + 0.03


def test_bars_are_possible_and_prices_are_in_cents() -> None:
    fields = Synthetic(seed=3).fetch().fields
    open_, high, low, close = (fields[name][np.isfinite(fields["close"])] for name in ("open", "high", "low", "close"))
    assert (high >= np.maximum(open_, close)).all()
    assert (low <= np.minimum(open_, close)).all()
    assert (low > 0).all()
    assert np.array_equal(close, np.round(close, 2))
    volume = fields["volume"][np.isfinite(fields["volume"])]
    assert (volume == np.round(volume)).all()


def test_volume_rises_with_the_size_of_the_move() -> None:
    fields = Synthetic(seed=3).fetch().fields
    move = np.abs(np.log(fields["close"] / fields["open"]))
    volume = np.log(fields["volume"] / np.nanmedian(fields["volume"], axis=0))
    both = np.isfinite(move)
    assert np.corrcoef(move[both], volume[both])[0, 1] > 0.15


def test_there_are_splits_dividends_halts_late_arrivals_and_delistings() -> None:
    fields = Synthetic(seed=3).fetch().fields
    is_traded = np.isfinite(fields["close"])
    assert {2.0, 1.5, 0.1} <= set(fields["split"][np.isfinite(fields["split"])].tolist())
    assert np.isfinite(fields["dividend"]).sum() > 50
    inside = np.maximum.accumulate(is_traded, axis=0) & np.maximum.accumulate(is_traded[::-1], axis=0)[::-1]
    assert (inside & ~is_traded).any()
    assert not is_traded[0].all()
    assert not is_traded[-1].all()


def test_a_split_leaves_the_total_return_alone() -> None:
    panel = Synthetic(seed=3).fetch()
    rows, columns = np.nonzero(np.isfinite(panel.fields["split"]))
    assert (np.abs(Bars.of(panel).returns[rows, columns]) < 0.2).all()
    assert (np.abs(np.log(panel.fields["close"][rows, columns] / panel.fields["close"][rows - 1, columns])) > 0.2).all()


def test_a_delisting_pays_once_on_the_bar_after_the_last() -> None:
    fields = Synthetic(seed=3).fetch().fields
    rows, columns = np.nonzero(np.isfinite(fields["delisting"]))
    assert len(rows) == 2
    for row, column in zip(rows, columns, strict=True):
        assert np.isnan(fields["close"][row:, column]).all()
        assert fields["delisting"][row, column] / fields["close"][row - 1, column] == pytest.approx(1.0, abs=0.301)


def test_the_last_two_bars_have_no_residual_yet() -> None:
    truth = Synthetic(n_instruments=20, n_days=100, ic=0.1, seed=1).truth()
    assert np.isnan(truth.residual[-2:]).all()


def test_the_name_and_the_caveat_tell_edge_and_seed() -> None:
    panel = Synthetic(n_instruments=10, n_days=60, ic=0.05, seed=3).fetch()
    assert panel.name == "synthetic-ic0.05-seed3"
    assert panel.caveats == ("synthetic market: an edge of IC 0.05 is planted",)


def test_another_seed_gives_another_market() -> None:
    small = [Synthetic(n_instruments=5, n_days=60, seed=seed).fetch().fingerprint() for seed in (1, 2)]
    assert small[0] != small[1]


def test_a_single_instrument_and_the_shortest_market_work() -> None:
    assert Synthetic(n_instruments=1, n_days=30).fetch().shape == (30, 1)


@pytest.mark.parametrize(
    "options", ["ic=0.3", "ic=-0.1", "ic=nan", "n_days=3", "n_instruments=0", "ic=0.1,n_instruments=2", "n=5", "seed=x"]
)
def test_options_out_of_bounds_are_refused(options: str) -> None:
    with pytest.raises(DataError):
        Synthetic.of(f"synthetic:{options}")


def test_a_description_in_words_gives_the_same_market() -> None:
    assert Synthetic.of("synthetic:ic=0.05,seed=3,n_instruments=6,n_days=40") == Synthetic(6, 40, 0.05, 3)
    assert Synthetic.of("synthetic") == Synthetic()
