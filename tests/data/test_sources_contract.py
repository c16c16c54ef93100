"""What every source owes, for each one found by walking the folder."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.quality import check
from quantdesk.data.sources import discover
from quantdesk.data.sources.file import File
from quantdesk.domain.panel import FIELDS, Panel
from quantdesk.domain.ports import Source

_CSV = "Date,symbol,Open,High,Low,Close,Volume\n2024-01-02,A,1,2,1,2,100\n2024-01-02,B,5,6,4,5,50\n2024-01-03,A,2,3,2,3,70\n"


def _file(folder: Path) -> Source:
    path = folder / "bars.csv"
    path.write_text(_CSV, encoding="utf-8")
    return File(path)


# A source that needs no argument is tested as it is; another names an example here.
EXAMPLES: dict[str, Callable[[Path], Source]] = {"file": _file}


@pytest.fixture(params=sorted(discover()))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    name = str(request.param)
    made = EXAMPLES[name](tmp_path) if name in EXAMPLES else discover()[name]()
    assert isinstance(made, Source)
    return made


def test_every_source_in_the_folder_is_found() -> None:
    assert set(discover()) == {"file", "sample", "synthetic"}


def test_a_source_gives_a_panel_with_a_name_and_known_fields(source: Source) -> None:
    panel = source.fetch()
    assert isinstance(panel, Panel)
    assert panel.name
    assert set(panel.fields) <= set(FIELDS)
    assert len(set(panel.symbols)) == len(panel.symbols) > 0


def test_a_source_gives_times_in_utc_nanoseconds_that_increase(source: Source) -> None:
    times = source.fetch().times
    assert times.dtype == np.dtype("datetime64[ns]")
    assert (np.diff(times) > np.timedelta64(0)).all()
    assert not np.isnat(times).any()


def test_a_source_gives_dense_float64_arrays(source: Source) -> None:
    panel = source.fetch()
    assert all(values.dtype == np.float64 and values.flags.c_contiguous for values in panel.fields.values())


def test_a_source_gives_the_same_bits_twice(source: Source) -> None:
    assert source.fetch().fingerprint() == source.fetch().fingerprint()


def test_a_source_and_its_panel_survive_pickling(source: Source) -> None:
    again: Source = pickle.loads(pickle.dumps(source))
    panel: Panel = pickle.loads(pickle.dumps(source.fetch()))
    assert again.fetch().fingerprint() == panel.fingerprint()


def test_a_source_gives_nothing_that_the_quality_gate_refuses(source: Source) -> None:
    assert check(source.fetch()).n_refused == 0


def test_every_instrument_of_a_source_has_a_close_somewhere(source: Source) -> None:
    assert np.isfinite(source.fetch().fields["close"]).any(axis=0).all()
