"""Quarantine: refused bars become missing only where it is asked for, and are kept aside with their kinds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.quality import gate, refusals
from quantdesk.data.quarantine import quarantine
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel


def _panel() -> Panel:
    days = np.busday_offset(np.datetime64("2024-01-02"), np.arange(60))
    close = 100.0 + np.cumsum(np.random.default_rng(0).normal(0, 0.5, (60, 2)), axis=0)
    fields = {"open": close - 0.1, "high": close + 1, "low": close - 1, "close": close, "volume": np.full((60, 2), 1e5)}
    fields["dividend"] = np.full((60, 2), np.nan)
    times = np.add(days.astype("datetime64[ns]"), np.timedelta64(21, "h"))
    return Panel(times, (Instrument("A"), Instrument("B")), fields, name="p", caveats=("old",))


def _broken() -> Panel:
    panel = _panel()
    fields = {name: values.copy() for name, values in panel.fields.items()}
    fields["low"][5, 1] = -3.0
    fields["close"][30, 0] = 2.95
    fields["low"][30, 0] = 2.9
    fields["dividend"][30, 0] = 0.5
    fields["dividend"][40, 1] = -0.5
    return replace(panel, fields=fields)


def test_refused_bars_become_missing_and_the_rest_stays(tmp_path: Path) -> None:
    panel = _broken()
    clean = quarantine(panel, tmp_path, "p")
    assert gate(clean) is clean
    gone = np.argwhere(np.isnan(clean.fields["close"]))
    assert gone.tolist() == [[5, 1], [30, 0], [40, 1]]
    for name in ("open", "high", "low", "volume"):
        assert np.isnan(clean.fields[name][gone[:, 0], gone[:, 1]]).all()
    kept = ~np.isnan(clean.fields["close"])
    assert (clean.fields["close"][kept] == panel.fields["close"][kept]).all()
    assert clean.fields["dividend"][30, 0] == 0.5
    assert np.isnan(clean.fields["dividend"][40, 1])


def test_what_was_refused_lies_aside_with_its_kinds_and_is_counted_in_a_caveat(tmp_path: Path) -> None:
    clean = quarantine(_broken(), tmp_path, "p")
    rows = pl.read_parquet(tmp_path / "quarantine" / "p.parquet")
    assert rows.select("symbol", "kinds").rows() == [("B", "not positive"), ("A", "spike"), ("B", "negative")]
    assert rows["low"].to_list()[0] == -3.0
    assert rows["time"].dt.replace_time_zone(None).to_numpy()[1] == _panel().times[30]
    assert clean.caveats == ("old", "3 impossible bars of 2 symbols were set aside and count as missing")


def test_a_sound_panel_comes_back_as_it_is_and_an_old_file_goes(tmp_path: Path) -> None:
    quarantine(_broken(), tmp_path, "p")
    panel = _panel()
    assert quarantine(panel, tmp_path, "p") is panel
    assert not (tmp_path / "quarantine" / "p.parquet").exists()


def test_bars_that_stand_alone_once_another_is_gone_go_too(tmp_path: Path) -> None:
    panel = _panel()
    fields = {"close": panel.fields["close"].copy()}
    fields["close"][20:23, 0] = (2.0, 2000.0, 2.0)  # the first look sees the middle one only
    clean = quarantine(replace(panel, fields=fields), tmp_path, "p")
    assert refusals(clean).n_refused == 0
    assert np.flatnonzero(np.isnan(clean.fields["close"][:, 0])).tolist() == [20, 21, 22]
    assert len(pl.read_parquet(tmp_path / "quarantine" / "p.parquet")) == 3


def test_a_panel_refused_as_a_whole_cannot_be_set_aside(tmp_path: Path) -> None:
    panel = _panel()
    later = np.full(panel.shape, np.nan)
    later[:-5] = panel.fields["close"][5:]
    with pytest.raises(DataError, match="refused as a whole"):
        quarantine(replace(panel, fields={**panel.fields, "later": later}), tmp_path, "p")


@pytest.mark.parametrize("name", ["../p", "a/b", ""])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a data set"):
        quarantine(_broken(), tmp_path / "home", name)
    assert not list(tmp_path.rglob("*.parquet"))
