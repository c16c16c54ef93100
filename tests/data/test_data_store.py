"""The store: what is loaded is what was saved, or it is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data import store
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

TIMES = np.array(["2024-01-02T21:00", "2024-01-03T21:00", "2024-01-04T21:00"], dtype="datetime64[ns]")


def _panel(last: float = 3.5) -> Panel:
    earnings = np.array([[np.nan, 1.0], [0.5, np.nan], [-0.0, 2.0]])
    return Panel(
        times=TIMES,
        instruments=(Instrument("A", "Energy", tick_size=0.01), Instrument("B", lot_size=10.0)),
        fields={"close": np.array([[1.0, 2.0], [np.nan, 2.5], [1.5, last]]), "earnings": earnings},
        known_at={
            "earnings": np.stack([TIMES + np.timedelta64(3, "h"), np.full(3, np.datetime64("NaT"), "datetime64[ns]")], axis=1)
        },
        name="mine",
        caveats=("a caveat",),
    )


def test_a_panel_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    panel = _panel()
    folder = store.save(panel, tmp_path, source="bars.csv", mapping={"close": "LAST"})
    again = store.load("mine", tmp_path)
    assert folder == tmp_path / "data" / "mine"
    assert again.instruments == panel.instruments
    assert again.caveats == panel.caveats
    assert again.name == "mine"
    np.testing.assert_array_equal(again.times, panel.times)
    for name, values in panel.fields.items():
        np.testing.assert_array_equal(again.fields[name], values)
    np.testing.assert_array_equal(again.known_at["earnings"], panel.known_at["earnings"])
    assert json.loads((folder / "meta.json").read_text())["mapping"] == {"close": "LAST"}


def test_a_market_with_gaps_keeps_its_fingerprint(tmp_path: Path) -> None:
    panel = Synthetic(n_instruments=12, n_days=300, seed=4).fetch()
    store.save(panel, tmp_path)
    assert store.load(panel.name, tmp_path).fingerprint() == panel.fingerprint()


def test_every_row_carries_the_time_at_which_it_became_known(tmp_path: Path) -> None:
    table = pl.read_parquet(store.save(_panel(), tmp_path) / "bars.parquet")
    assert table.columns == ["time", "known_at", "symbol", "close", "earnings", "earnings_known_at"]
    assert table["time"].equals(table["known_at"])
    assert table["earnings_known_at"][0] == table["time"].dt.offset_by("3h")[0]


def test_saving_again_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    store.save(_panel(), tmp_path)
    store.save(_panel(last=9.0), tmp_path)
    assert store.load("mine", tmp_path).fields["close"][2, 1] == 9.0
    assert os.listdir(tmp_path / "data") == ["mine"]
    assert store.names(tmp_path) == ["mine"]


@pytest.mark.parametrize("at", ["_write", "_sync_folder"])
def test_a_full_disk_leaves_the_version_before_and_no_leftovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    store.save(_panel(), tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, at, refuse)
        with pytest.raises(DataError, match="No space left") as caught:
            store.save(_panel(last=9.0), tmp_path)
    assert caught.value.expected
    assert caught.value.action
    assert store.load("mine", tmp_path).fields["close"][2, 1] == 3.5
    assert os.listdir(tmp_path / "data") == ["mine"]


@pytest.mark.parametrize("n_renames", [0, 1])
def test_an_interruption_between_the_renames_leaves_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_renames: int
) -> None:
    store.save(_panel(), tmp_path)
    rename, calls = Path.rename, iter(range(100))

    def interrupt(path: Path, target: Path) -> Path:
        if next(calls) == n_renames:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.save(_panel(last=9.0), tmp_path)
    assert os.listdir(tmp_path / "data") == ["mine"]
    assert store.load("mine", tmp_path).fields["close"][2, 1] == 3.5


def test_a_power_cut_between_the_renames_is_recovered_from(tmp_path: Path) -> None:
    folder = store.save(_panel(), tmp_path)
    for _ in range(2):
        folder.rename(folder.with_name(".mine.previous"))
        assert store.load("mine", tmp_path).fields["close"][2, 1] == 3.5
    folder.rename(folder.with_name(".mine.previous"))
    assert store.names(tmp_path) == ["mine"]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    bars = store.save(_panel(), tmp_path) / "bars.parquet"
    pl.read_parquet(bars).with_columns(pl.col("close") * 1.01).write_parquet(bars)
    with pytest.raises(DataError, match="not what was saved"):
        store.load("mine", tmp_path)


def test_a_caveat_that_was_taken_out_is_missed(tmp_path: Path) -> None:
    meta = store.save(_panel(), tmp_path) / "meta.json"
    meta.write_text(meta.read_text().replace('"a caveat"', ""))
    with pytest.raises(DataError, match="was edited"):
        store.load("mine", tmp_path)


def test_a_record_of_another_panel_is_refused_by_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "fingerprint", lambda _: "0" * 16)
    store.save(_panel(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="in place of 0000000000000000"):
        store.load("mine", tmp_path)


@pytest.mark.parametrize("name", ["bars.parquet", "meta.json"])
def test_a_cut_off_or_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    path = store.save(_panel(), tmp_path) / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="not what was saved"):
        store.load("mine", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="not what was saved"):
        store.load("mine", tmp_path)


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    store.save(_panel(), tmp_path)
    with pytest.raises(DataError, match=r"(?s)mine, sample, synthetic.*desk ingest"):
        store.load("yours", tmp_path)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "sample", "Synthetic", "x" * 101, "a:b"])
def test_names_that_are_no_plain_words_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a data set"):
        store.save(replace(_panel(), name=name), tmp_path)


def test_the_sample_and_synthetic_markets_need_no_ingest(tmp_path: Path) -> None:
    assert store.load("sample", tmp_path).name == "sample"
    market = store.load("synthetic:ic=0.05,seed=3,n_instruments=8,n_days=50", tmp_path)
    assert market.name == "synthetic-ic0.05-seed3"
    assert market.shape == (50, 8)
    assert store.names(tmp_path) == []
