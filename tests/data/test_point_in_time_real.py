"""The real crawl, Lean's sample and the index, where they lie beside the checkout."""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.actions import back_adjustment
from quantdesk.data.admission import admit
from quantdesk.data.membership import Membership, restrict
from quantdesk.data.quality import gate
from quantdesk.data.sources.first_seen import FirstSeen
from quantdesk.data.sources.lean import Lean
from quantdesk.domain.bars import Bars, carry_forward, log_changes
from quantdesk.domain.panel import Panel

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
CRAWL = DATA / "us_daily_point_in_time_2015_2017"
pytestmark = [pytest.mark.real_data, pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}")]


@dataclass(frozen=True, eq=False)
class Crawl:
    raw: Panel
    panel: Panel
    home: Path
    seconds: float


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    home, began = tmp_path_factory.mktemp("crawl"), time.perf_counter()
    raw = FirstSeen(CRAWL / "prices_first_seen.parquet", CRAWL / "adj_restatements.parquet").fetch()
    return Crawl(raw, admit(raw, home), home, time.perf_counter() - began)


def test_the_crawl_passes_the_gate_with_its_bad_rows_set_aside(crawl: Crawl) -> None:
    assert gate(crawl.panel) is crawl.panel
    assert crawl.panel.shape == (513, 3601)
    aside = pl.read_parquet(crawl.home / "quarantine" / "prices_first_seen.parquet")
    n_bars = [int(np.isfinite(one.fields["close"]).sum()) for one in (crawl.raw, crawl.panel)]
    assert n_bars[0] - n_bars[1] == len(aside) > 0
    assert aside.filter(pl.col("kinds") == "stray day")["time"].n_unique() == 18
    assert any(caveat.startswith(f"{len(aside)} bars of") for caveat in crawl.panel.caveats)
    assert int(np.isfinite(crawl.panel.fields["delisting"]).sum()) > 500
    assert crawl.seconds < 60.0
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3e6


def test_splits_of_the_crawl_that_are_known_are_found_and_explain_the_jumps(crawl: Crawl) -> None:
    panel = crawl.panel
    for symbol, day, units in (("AOS", "2016-10-06", 2.0), ("AZN", "2015-07-27", 2.0), ("BTU", "2015-10-01", 1 / 15)):
        row = int(np.searchsorted(panel.times, np.datetime64(day)))
        assert panel.fields["split"][row, panel.symbols.index(symbol)] == pytest.approx(units)
    row = int(np.searchsorted(panel.times, np.datetime64("2015-10-01")))
    returns = Bars.of(panel).returns
    assert abs(returns[row, panel.symbols.index("BTU")]) < 0.5
    jumps = np.abs(log_changes(carry_forward(panel.fields["close"]))) > 0.6
    assert (jumps & (np.abs(returns) < 0.35)).sum() > 100
    assert not ((np.abs(returns) > 0.6) & ~jumps).any()


def test_adjusted_prices_equal_leans_to_the_last_digit_of_its_factors() -> None:
    lean = Lean(DATA / "lean_sample" / "equity" / "usa")
    panel, lives = lean.fetch(), lean.lives()
    ours = back_adjustment(panel)
    assert len(lives) == 19
    for i, life in enumerate(lives):
        days = life.bars.days
        # The first factor row on or after each day, looked up by hand; anchored at the last bar.
        rows = [next(k for k, day in enumerate(life.factors.days) if day >= one) for one in days]
        theirs = life.factors.price[rows] * life.factors.split[rows]
        own = ours[np.isfinite(panel.fields["close"][:, i]), i]
        np.testing.assert_allclose(own, theirs / theirs[-1], rtol=5e-8 / life.factors.price.min(), err_msg=life.symbol)


def test_one_instrument_carries_its_history_over_its_tickers() -> None:
    lean = Lean(DATA / "lean_sample" / "equity" / "usa")
    panel = lean.fetch()
    close = dict(zip(panel.symbols, panel.fields["close"].T, strict=True))
    assert np.isfinite(close["WM"]).all()  # uw, wmi, wm
    row = int(np.searchsorted(panel.times, np.datetime64("2014-04-02")))
    np.testing.assert_allclose(close["GOOG"][row : row + 1], 567.0)  # goocv until that day, goog after
    assert np.isnan(close["GOOG"][: row - 10]).all()
    np.testing.assert_allclose(close["GOOGL"][row + 1], 571.5)
    assert np.isnan(close["FB"][: int(np.searchsorted(panel.times, np.datetime64("2012-05-18")))]).all()  # fb was another's


def test_survivors_of_the_index_and_members_that_a_panel_lacks_are_told() -> None:
    index = Membership.read(DATA / "sp500_constituents" / "sp500_ticker_start_end.csv")
    panel = Lean(DATA / "lean_sample" / "equity" / "usa").fetch()
    year = panel.times[(panel.times >= np.datetime64("2010-01-04")) & (panel.times < np.datetime64("2020-01-01"))]
    assert 0.5 < index.survivors_share(year) < 0.85
    n_members = index.mask(year, tuple(sorted(set(index.tickers.tolist())))).sum(axis=1)
    assert 480 < n_members.min() <= n_members.max() < 520
    assert "AAPL" not in index.missing(year, panel.symbols)
    assert len(index.missing(year, panel.symbols)) > 480
    marked = restrict(panel, index.mask(panel.times, panel.symbols), "the S&P 500")
    assert not marked.fields["member"][:, panel.symbols.index("SPY")].any()
