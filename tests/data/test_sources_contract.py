"""What every source owes, for each one found by walking the folder."""

import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from replay_server import (
    Market,
    ReplayServer,
    StillClock,
    play_alpaca,
    play_alpha_vantage,
    play_crypto,
    play_edgar,
    play_fred,
    play_polygon,
    play_yahoo,
    serving,
)

from quantdesk.data.access import Access
from quantdesk.data.fetching import network_facts, network_sources
from quantdesk.data.quality import check
from quantdesk.data.sources import discover, discover_facts
from quantdesk.data.sources.file import File
from quantdesk.data.sources.first_seen import FirstSeen
from quantdesk.data.sources.lean import Lean
from quantdesk.domain.panel import FIELDS, Panel
from quantdesk.domain.ports import Source
from quantdesk.domain.records import Records

_CSV = "Date,symbol,Open,High,Low,Close,Volume\n2024-01-02,A,1,2,1,2,100\n2024-01-02,B,5,6,4,5,50\n2024-01-03,A,2,3,2,3,70\n"


def _file(folder: Path) -> Source:
    path = folder / "bars.csv"
    path.write_text(_CSV, encoding="utf-8")
    return File(path)


def _first_seen(folder: Path) -> Source:
    path = folder / "seen.csv"
    path.write_text(_CSV.lower(), encoding="utf-8")
    return FirstSeen(path)


def _lean(folder: Path) -> Source:
    (folder / "daily").mkdir()
    with zipfile.ZipFile(folder / "daily" / "aaa.zip", "w") as archive:
        archive.writestr("aaa.csv", "20240102 00:00,10000,20000,9000,15000,100\n20240103 00:00,15000,21000,14000,20000,70\n")
    return Lean(folder)


# A source that needs no argument is tested as it is; another names an example here, or a play of its vendor.
EXAMPLES: dict[str, Callable[[Path], Source]] = {"file": _file, "first_seen": _first_seen, "lean": _lean}
PLAYS: dict[str, Callable[[ReplayServer, Market], None]] = {
    "alpaca": play_alpaca,
    "alpha_vantage": play_alpha_vantage,
    "crypto": play_crypto,
    "polygon": play_polygon,
    "yahoo": play_yahoo,
}
_NAMES = ("polygon", "alpha_vantage", "alpaca_key", "alpaca_secret", "fred")
_KEYS = {**dict.fromkeys(_NAMES, "K"), "edgar_contact": "Jane Doe jane@example.com"}


@pytest.fixture(params=sorted(discover()))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    name = str(request.param)
    with ExitStack() as stack:
        if name in PLAYS:
            server = stack.enter_context(serving())
            PLAYS[name](server, Market())
            symbols = ("BTC/USD",) if name == "crypto" else ("ABC", "DEF")
            access = Access(tmp_path, _KEYS, clock=StillClock())
            made = discover()[name](symbols, access, start="2024-01-01", end="2024-01-31", base_url=server.url)
        else:
            made = EXAMPLES[name](tmp_path) if name in EXAMPLES else discover()[name]()
        assert isinstance(made, Source)
        yield made


@pytest.fixture(params=sorted(discover_facts()))
def facts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    with serving() as server:
        play_fred(server, {"AAA": [("2023-07-01", "2023-10-26", 100.0), ("2023-07-01", "2023-11-29", 101.0)]})
        entry = {"end": "2023-09-30", "filed": "2023-11-03", "val": 5.0, "accn": "a"}
        play_edgar(server, {"us-gaap/Assets/USD": [entry]})
        access = Access(tmp_path, _KEYS, clock=StillClock())
        records = discover_facts()[str(request.param)](("AAA",), access, base_url=server.url).records()
        assert isinstance(records, Records)
        yield records


def test_every_source_in_the_folder_is_found() -> None:
    assert {"file", "sample", "synthetic", *PLAYS, *EXAMPLES} <= set(discover())
    assert set(discover_facts()) == set(network_facts()) == {"edgar", "fred"}
    assert set(network_sources()) == set(PLAYS)


def test_facts_are_known_after_their_time_and_have_a_name(facts: Records) -> None:
    assert facts.name
    assert len(facts) > 0
    assert (facts.known_at > facts.periods).all()
    assert np.isfinite(facts.values).all()


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
