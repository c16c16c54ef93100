"""Corporate actions as events, and the adjusted prices that follow."""

from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.actions import Action, back_adjustment, event_fields
from quantdesk.data.lean_files import read_map
from quantdesk.data.restatements import read_restatements
from quantdesk.data.sources.lean import Lean
from quantdesk.domain.errors import DataError
from small_worlds import NAN, days, panel_of


def on(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def test_events_fall_on_the_first_traded_bar_of_the_ex_date_or_after() -> None:
    close = np.array([[10.0, 5.0], [NAN, 5.0], [5.0, 5.0]])
    actions = [Action("split", "A", on("2020-01-07"), 2.0), Action("dividend", "B", on("2020-01-07"), 0.5)]
    fields = event_fields(actions, close, days(3), ("A", "B"))
    assert fields["split"][2, 0] == 2.0
    assert fields["dividend"][1, 1] == 0.5
    assert np.isfinite(fields["split"]).sum() == np.isfinite(fields["dividend"]).sum() == 1


def test_events_before_the_first_bar_or_after_the_last_happen_to_nobody() -> None:
    close = np.array([[NAN], [10.0], [10.0]])
    actions = [Action("split", "A", on("2020-01-07"), 2.0), Action("dividend", "A", on("2020-01-09"), 0.5)]
    assert event_fields(actions, close, days(3), ("A",)) == {}


def test_two_events_on_one_bar_are_one_of_both() -> None:
    close = np.array([[10.0], [NAN], [NAN], [3.0]])
    actions = [
        Action("dividend", "A", on("2020-01-07"), 1.0),
        Action("split", "A", on("2020-01-08"), 2.0),
        Action("dividend", "A", on("2020-01-09"), 0.25),
        Action("split", "A", on("2020-01-08"), 1.5),
    ]
    fields = event_fields(actions, close, days(4), ("A",))
    assert fields["split"][3, 0] == 3.0
    assert fields["dividend"][3, 0] == pytest.approx(1.0 / 3.0 + 0.25)


def test_a_delisting_falls_on_a_bar_without_a_price() -> None:
    fields = event_fields([Action("delisting", "A", on("2020-01-07"), 7.0)], np.array([[10.0], [NAN]]), days(2), ("A",))
    assert fields["delisting"][1, 0] == 7.0


def test_back_adjusted_returns_are_total_returns_to_the_ex_date() -> None:
    split, dividend = np.full((4, 1), NAN), np.full((4, 1), NAN)
    split[2], dividend[3] = 2.0, 0.5
    panel = panel_of([[10.0], [12.0], [6.0], [5.5]], split=split, dividend=dividend)
    adjusted = panel.fields["close"] * back_adjustment(panel)
    np.testing.assert_allclose(adjusted[:, 0], [10 / 2 * (5.5 / 6), 5.5, 5.5, 5.5])


def test_a_dividend_is_cash_on_each_new_unit_where_both_fall_on_one_bar() -> None:
    split, dividend = np.full((2, 1), NAN), np.full((2, 1), NAN)
    split[1], dividend[1] = 2.0, 1.0
    panel = panel_of([[10.0], [4.0]], split=split, dividend=dividend)
    np.testing.assert_allclose(back_adjustment(panel)[:, 0], [0.4, 1.0])


def test_a_dividend_of_the_whole_price_is_refused_by_name() -> None:
    dividend = np.array([[NAN], [10.0]])
    with pytest.raises(DataError, match="A pays 10"):
        back_adjustment(panel_of([[10.0], [1.0]], dividend=dividend))


@pytest.mark.parametrize(("kind", "value"), [("split", 0.0), ("split", NAN), ("dividend", -1.0), ("delisting", -1.0)])
def test_an_impossible_action_is_refused(kind: str, value: float) -> None:
    with pytest.raises(DataError, match=f"{kind} of A"):
        Action(kind, "A", on("2020-01-07"), value)  # type: ignore[arg-type]


def write_lean(folder: Path) -> Path:
    """Write a market in Lean's form: one instrument that was OLD, then NEW; and a stranger's bars under NEW before."""
    import zipfile

    for name in ("daily", "factor_files", "map_files"):
        (folder / name).mkdir(parents=True)
    bars = {
        "old": "20200106 00:00,100000,100000,100000,100000,100\n20200107 00:00,100000,100000,100000,100000,100\n",
        "new": "20200106 00:00,770000,770000,770000,770000,100\n20200108 00:00,49000,49000,49000,49000,100\n"
        "20200109 00:00,50000,50000,50000,50000,100\n",
    }
    for ticker, content in bars.items():
        with zipfile.ZipFile(folder / "daily" / f"{ticker}.zip", "w") as archive:
            archive.writestr(f"{ticker}.csv", content)
    (folder / "map_files" / "new.csv").write_text("20200106,old,Q\n20200107,old,Q\n20501231,new,Q", encoding="utf-8")
    (folder / "factor_files" / "new.csv").write_text(
        "20200106,0.98,0.5,1\n20200107,0.98,0.5,10\n20501231,1,1,0", encoding="utf-8"
    )
    return folder


def test_a_history_is_carried_over_a_ticker_change_and_leaves_a_strangers_bars_out(tmp_path: Path) -> None:
    panel = Lean(write_lean(tmp_path)).fetch()
    assert panel.symbols == ("NEW",)
    np.testing.assert_array_equal(panel.fields["close"][:, 0], [10.0, 10.0, 4.9, 5.0])
    assert any(
        caveat.startswith("1 bars of new.zip are of days when no instrument had that ticker") for caveat in panel.caveats
    )


def test_leans_factors_become_units_and_cash_on_the_ex_date(tmp_path: Path) -> None:
    lean = Lean(write_lean(tmp_path))
    panel = lean.fetch()
    assert panel.fields["split"][2, 0] == 2.0
    assert panel.fields["dividend"][2, 0] == pytest.approx(0.1)  # 2 % of 10, on each of two new units
    np.testing.assert_allclose(back_adjustment(panel)[:, 0], [0.49, 0.49, 1.0, 1.0])
    change = [action for action in lean.lives()[0].actions() if action.kind == "ticker"]
    assert [(str(one.date), one.ticker) for one in change] == [("2020-01-08", "new")]


def test_a_map_files_row_is_the_last_day_under_its_ticker(tmp_path: Path) -> None:
    write_lean(tmp_path)
    old, new = read_map(tmp_path / "map_files" / "new.csv")
    assert (old.ticker, str(old.first), str(old.last)) == ("old", "2020-01-06", "2020-01-07")
    assert (new.ticker, str(new.first)) == ("new", "2020-01-08")


def test_a_folder_without_bars_and_a_broken_file_are_refused_by_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no daily"):
        Lean(tmp_path).fetch()
    folder = write_lean(tmp_path / "market")
    (folder / "daily" / "old.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"old\.zip cannot be read"):
        Lean(folder).fetch()


def test_restated_closes_become_events_only_where_the_prices_bear_them_out(tmp_path: Path) -> None:
    path = tmp_path / "restated.csv"
    rows = (
        "A,2020-01-07,10,10,0.5",  # a split, and the price halves
        "B,2020-01-07,10,10,0.5",  # no move: a doubt
        "C,2020-01-07,10,10,0.98",  # a dividend of 0.2
        "D,2020-01-07,10,9,0.9",  # the close was corrected: no event
        "E,2020-01-06,10,10,0.98",  # told twice: the later counts
        "E,2020-01-07,10,10,0.98",
        "Z,2020-01-07,10,10,0.98",  # not in the panel: a doubt
    )
    path.write_text("symbol,date,close,adj_close_first,ratio\n" + "\n".join(rows) + "\n", encoding="utf-8")
    close = np.full((4, 5), 10.0)
    close[2:, 0] = 5.1
    told = read_restatements(path)
    closes_at = np.add(told.days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    actions, n_doubted = told.actions(close, days(4), tuple("ABCDE"), closes_at)
    found = {(one.kind, one.symbol, str(one.date)[:10], round(one.value, 6)) for one in actions}
    assert found == {
        ("split", "A", "2020-01-08", 2.0),
        ("dividend", "C", "2020-01-08", 0.2),
        ("dividend", "E", "2020-01-08", 0.2),
    }
    assert n_doubted == 2
