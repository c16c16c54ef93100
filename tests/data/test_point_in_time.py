"""Who was in the universe, what was let in, and which bars were set aside, as known at the time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data import admission
from quantdesk.data.admission import admit
from quantdesk.data.membership import Membership, has_history, is_liquid, restrict
from quantdesk.data.quality import QualityReport, check, gate
from quantdesk.data.sources.first_seen import FirstSeen
from quantdesk.data.stray import stray_days
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from small_worlds import NAN, days, panel_of

_SPELLS = "ticker,start_date,end_date\nA,2020-01-07,2020-01-09\nA,2020-01-10,\nBRK.B,2019-01-01,\nGONE,2019-01-01,2020-01-08\n"


def spells(folder: Path) -> Membership:
    path = folder / "index.csv"
    path.write_text(_SPELLS, encoding="utf-8")
    return Membership.read(path)


def test_a_spell_begins_on_its_first_day_and_ends_before_its_last(tmp_path: Path) -> None:
    mask = spells(tmp_path).mask(days(5), ("A", "BRK-B", "NEVER"))
    np.testing.assert_array_equal(mask[:, 0], [False, True, True, False, True])
    assert mask[:, 1].all()
    assert not mask[:, 2].any()


def test_members_that_the_panel_lacks_are_named(tmp_path: Path) -> None:
    index = spells(tmp_path)
    assert index.missing(days(5), ("A", "BRK-B")) == ("GONE",)
    assert index.missing(days(5)[2:], ("A",)) == ("BRK.B",)
    np.testing.assert_allclose(index.covered(days(5), ("A", "BRK-B")), [0.5, 2 / 3, 1.0, 1.0, 1.0])


def test_the_share_of_survivors_is_of_the_first_bars_members(tmp_path: Path) -> None:
    assert spells(tmp_path).survivors_share(days(5)) == 0.5
    with pytest.raises(DataError, match="no members"):
        spells(tmp_path).survivors_share(days(5, "1990-01-01"))


def test_a_spell_that_ends_before_it_starts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text("ticker,start_date,end_date\nA,2020-01-07,2020-01-06\n", encoding="utf-8")
    with pytest.raises(DataError, match="membership of A"):
        Membership.read(path)


def test_history_and_liquidity_know_nothing_of_later_bars() -> None:
    random = np.random.default_rng(0)
    close = np.where(random.random((60, 4)) < 0.2, NAN, random.uniform(5, 15, (60, 4)))
    volume = random.uniform(0, 2e3, (60, 4))
    whole, cut = panel_of(close, volume=volume), panel_of(close[:40], volume=volume[:40])
    np.testing.assert_array_equal(has_history(whole, 20)[:40], has_history(cut, 20))
    np.testing.assert_array_equal(is_liquid(whole, 8e3)[:40], is_liquid(cut, 8e3))
    assert 0 < is_liquid(whole, 8e3).sum() < 160


def test_history_counts_traded_bars_and_liquidity_averages_value() -> None:
    close = np.array([[10.0], [NAN], [10.0], [10.0]])
    panel = panel_of(close, volume=np.array([[4.0], [NAN], [2.0], [6.0]]))
    np.testing.assert_array_equal(has_history(panel, 2)[:, 0], [False, False, True, True])
    np.testing.assert_array_equal(is_liquid(panel, 40.0, bars=2)[:, 0], [False, False, False, True])


def test_a_restriction_marks_members_and_blanks_nothing() -> None:
    panel = panel_of(np.full((3, 2), 10.0))
    mask = np.array([[True, False], [True, True], [False, True]])
    once = restrict(panel, mask, "an index")
    np.testing.assert_array_equal(once.fields["member"], mask)
    np.testing.assert_array_equal(once.fields["close"], panel.fields["close"])
    twice = restrict(once, np.array([[True, True], [True, False], [True, True]]))
    np.testing.assert_array_equal(twice.fields["member"], [[1, 0], [1, 0], [0, 1]])
    assert once.caveats == ("restricted to an index: 67% of traded bars",)
    with pytest.raises(DataError, match="no traded bar"):
        restrict(panel, np.zeros((3, 2), dtype=np.bool_))


def crowd(close: Float64, **fields: Float64) -> Panel:
    instruments = tuple(Instrument(f"S{i:02d}") for i in range(close.shape[1]))
    return Panel(days(len(close)), instruments, {"close": close, **fields}, name="crowd")


def test_stray_days_are_taken_out_and_their_bars_kept_aside(tmp_path: Path) -> None:
    close = np.full((5, 30), 10.0)
    close[2, 1:] = NAN
    dividend = np.full(close.shape, NAN)
    dividend[2, 0], dividend[2, 5] = 0.5, 0.25
    panel = crowd(close, dividend=dividend)
    np.testing.assert_array_equal(stray_days(panel), [False, False, True, False, False])
    kept = admit(panel, tmp_path)
    assert kept.shape == (4, 30)
    assert (kept.fields["dividend"][2, 0], kept.fields["dividend"][2, 5]) == (0.5, 0.25)
    aside = pl.read_parquet(tmp_path / "quarantine" / "crowd.parquet")
    assert aside["symbol"].to_list() == ["S00"]
    assert aside["kinds"].to_list() == ["stray day"]
    assert kept.caveats == ("1 bars of 1 instruments were refused and set aside (stray day 1)",)


def test_a_price_that_flips_to_and_fro_is_set_aside_until_the_gate_is_content(tmp_path: Path) -> None:
    close = np.full((14, 30), 10.0)
    close[3:9, 4] = [0.01, 0.01, 10.0, 0.01, 10.0, 0.01]
    close[5, 7] = -1.0
    panel = crowd(close)
    with pytest.raises(DataError):
        gate(panel)
    kept = admit(panel, tmp_path)
    assert gate(kept) is kept
    aside = pl.read_parquet(tmp_path / "quarantine" / "crowd.parquet")
    lost = int((np.isfinite(close) & ~np.isfinite(kept.fields["close"])).sum())
    assert len(aside) == lost > 1
    assert any("spikes were recognised" in caveat for caveat in kept.caveats)


def test_a_fault_that_shows_only_once_another_is_out_is_set_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close = np.full((9, 30), 10.0)
    close[3, 4], close[5, 7] = -1.0, -1.0
    looks: list[int] = []

    def shy(panel: Panel) -> QualityReport:
        looks.append(1)
        seen = panel.fields["close"].copy()
        seen[5, 7] = 10.0 if len(looks) == 1 else seen[5, 7]
        return check(replace(panel, fields={"close": seen}))

    monkeypatch.setattr(admission, "check", shy)
    kept = admit(crowd(close), tmp_path)
    assert gate(kept) is kept
    assert len(pl.read_parquet(tmp_path / "quarantine" / "crowd.parquet")) == 2


def test_a_clean_panel_is_let_in_as_it_is_and_leaves_no_file(tmp_path: Path) -> None:
    panel = crowd(np.full((5, 30), 10.0))
    assert admit(panel, tmp_path).fingerprint() == panel.fingerprint()
    assert not (tmp_path / "quarantine").exists()


@pytest.mark.parametrize("last", [1000.0, -1.0])
def test_proceeds_are_worked_out_again_where_the_last_close_was_refused(tmp_path: Path, last: float) -> None:
    close, high, proceeds = np.full((9, 30), 10.0), np.full((9, 30), 11.0), np.full((9, 30), NAN)
    close[3, 3], close[4:, 3], high[4:, 3] = last, NAN, NAN
    proceeds[4, 3] = 0.7 * last
    kept = admit(crowd(close, high=high, low=np.where(np.isnan(high), NAN, 9.0), delisting=proceeds), tmp_path)
    assert np.isnan(kept.fields["close"][3, 3])
    assert kept.fields["delisting"][4, 3] == pytest.approx(7.0)


def test_a_full_disk_lets_nothing_in(tmp_path: Path) -> None:
    close = np.full((5, 30), 10.0)
    close[2, 1] = -1.0
    (tmp_path / "quarantine").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match="could not be written"):
        admit(crowd(close), tmp_path)


def test_prices_first_seen_get_their_events_from_restatements(tmp_path: Path) -> None:
    dates = [str(day)[:10] for day in days(6)]
    rows = [
        f"{symbol},{date},{price},{price}" for symbol in "AB" for date, price in zip(dates, [8, 8, 8, 4, 4, 4], strict=True)
    ]
    (tmp_path / "prices.csv").write_text("symbol,date,close,adj_close\n" + "\n".join(rows) + "\n", encoding="utf-8")
    restated = f"symbol,date,close,adj_close_first,ratio\nA,{dates[2]},8,8,0.5\nB,{dates[0]},8,8,0.5\n"
    (tmp_path / "restated.csv").write_text(restated, encoding="utf-8")
    panel = FirstSeen(tmp_path / "prices.csv", tmp_path / "restated.csv").fetch()
    assert panel.fields["split"][3, 0] == 2.0
    assert np.isnan(panel.fields["split"][:, 1]).all()
    assert any(caveat.startswith("1 splits and 0 dividends") and "1 restatements" in caveat for caveat in panel.caveats)
    without = FirstSeen(tmp_path / "prices.csv").fetch()
    assert set(without.fields) == {"close"}
    assert replace(without, name="other").name == "other"
