"""Facts from FRED and EDGAR: every vintage, known no earlier than it was published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_server import ReplayServer, StillClock, play_edgar, play_fred, serving, too_many

from quantdesk.data.access import Access
from quantdesk.data.facts import next_day
from quantdesk.data.fetching import Request, fetch_facts
from quantdesk.data.sources import edgar, fred
from quantdesk.data.sources.edgar import Edgar
from quantdesk.data.sources.fred import Fred
from quantdesk.domain.errors import DataError

CONTACT = "Jane Doe jane@example.com"
Vintages = dict[str, list[tuple[str, str, float]]]


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with serving() as server:
        yield server


def _access(home: Path, clock: StillClock | None = None, accept: bool = False) -> Access:
    return Access(home, {"fred": "SECRET", "edgar_contact": CONTACT}, accept_revision=accept, clock=clock or StillClock())


def _gdp() -> Vintages:
    return {
        "GDP": [
            ("2023-07-01", "2023-10-26", 100.0),
            ("2023-07-01", "2023-11-29", 101.0),
            ("2023-07-01", "2023-12-21", 101.0),
            ("2023-10-01", "2024-01-25", float("nan")),
            ("2023-10-01", "2024-01-26", 102.5),
        ]
    }


def _fred(server: ReplayServer, access: Access, *series: str) -> Any:
    return Fred(series or ("GDP",), access, base_url=server.url).records()


def test_each_vintage_of_a_series_is_known_from_the_day_after_it(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    records = _fred(server, _access(tmp_path))
    told = [(str(p)[:10], str(k)[:16], v) for p, k, v in zip(records.periods, records.known_at, records.values, strict=True)]
    assert told == [
        ("2023-07-01", "2023-10-27T04:00", 100.0),
        ("2023-07-01", "2023-11-30T05:00", 101.0),
        ("2023-10-01", "2024-01-27T05:00", 102.5),
    ]


def test_what_was_known_then_is_the_vintage_of_then(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    times = np.array(["2023-10-26T21:00", "2023-10-27T21:00", "2023-12-01T21:00", "2024-01-29T21:00"], dtype="datetime64[ns]")
    values, _ = _fred(server, _access(tmp_path)).latest("GDP", ("GDP",), times)
    assert np.array_equal(values[:, 0], [np.nan, 100.0, 101.0, 102.5], equal_nan=True)


def test_closed_vintages_are_never_asked_for_again(
    server: ReplayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fred, "_VINTAGES", 2)
    play_fred(server, _gdp())
    clock = StillClock()
    first = _fred(server, _access(tmp_path, clock))
    clock.turn("2024-02-03T00:00")
    before = len(server.asked)
    again = _fred(server, _access(tmp_path, clock))
    spans = [query["realtime_start"] for path, query in server.asked[before:] if "observations" in path]
    assert set(spans) == {"2024-01-26"}
    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.known_at, again.known_at)


def test_windows_of_vintages_give_what_one_window_gives(
    server: ReplayServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_fred(server, _gdp())
    whole = _fred(server, _access(tmp_path / "a"))
    monkeypatch.setattr(fred, "_VINTAGES", 1)
    pieces = _fred(server, _access(tmp_path / "b"))
    assert np.array_equal(whole.known_at, pieces.known_at)
    assert np.array_equal(whole.values, pieces.values)


def test_facts_that_are_fresh_are_not_asked_for_again(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    _fred(server, _access(tmp_path))
    asked = len(server.asked)
    _fred(server, _access(tmp_path))
    assert len(server.asked) == asked


def test_a_run_of_series_cut_off_goes_on_where_it_stopped(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    with pytest.raises(DataError, match="knows no vintage of NONE"):
        _fred(server, _access(tmp_path), "GDP", "NONE")
    asked = len(server.asked)
    _fred(server, _access(tmp_path), "GDP")
    assert len(server.asked) == asked


def test_a_vintage_that_changed_is_refused_until_it_is_accepted(server: ReplayServer, tmp_path: Path) -> None:
    vintages = _gdp()
    play_fred(server, vintages)
    clock = StillClock()
    _fred(server, _access(tmp_path, clock))
    vintages["GDP"][0] = ("2023-07-01", "2023-10-26", 99.0)
    clock.turn("2024-02-03T00:00")
    with pytest.raises(DataError, match="changed what it says about the past: GDP of GDP for 2023-07-01"):
        _fred(server, _access(tmp_path, clock))
    assert 99.0 in _fred(server, _access(tmp_path, clock, accept=True)).values


def test_fred_is_patient_and_its_key_is_never_shown(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    server.misbehave("vintagedates", too_many("9"))
    clock = StillClock()
    _fred(server, _access(tmp_path, clock))
    assert 9.0 in clock.slept
    server.route("/fred/series/vintagedates", lambda path, query: {"error_message": f"bad key {query['api_key']}"})
    with pytest.raises(DataError) as refused:
        _fred(server, _access(tmp_path), "CPI")
    assert "SECRET" not in str(refused.value)


def test_a_missing_fred_key_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fredaccount"):
        Fred(("GDP",), Access(tmp_path)).records()


def _entry(end: str, filed: str, value: float, accn: str, start: str = "") -> dict[str, Any]:
    return {"end": end, "filed": filed, "val": value, "accn": accn, "form": "10-Q", **({"start": start} if start else {})}


SALES = "us-gaap/Revenues/USD"
CONTRACTS = "us-gaap/RevenueFromContractWithCustomerExcludingAssessedTax/USD"
ASSETS = "us-gaap/Assets/USD"


def _edgar(server: ReplayServer, access: Access) -> Any:
    return Edgar(("AAA",), access, base_url=server.url).records()


def test_a_fact_is_known_from_the_day_after_its_filing(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {ASSETS: [_entry("2023-09-30", "2023-11-03", 5.0, "a")]})
    records = _edgar(server, _access(tmp_path))
    assert (records.names[0], str(records.known_at[0])[:16], records.values[0]) == ("assets", "2023-11-04T04:00", 5.0)


def test_a_restatement_is_a_record_of_its_own_and_a_repetition_is_none(server: ReplayServer, tmp_path: Path) -> None:
    rows = [
        _entry("2022-12-31", "2023-02-01", 5.0, "a"),
        _entry("2022-12-31", "2023-05-01", 5.0, "b"),
        _entry("2022-12-31", "2023-08-01", 6.0, "c"),
    ]
    play_edgar(server, {ASSETS: rows})
    assert _edgar(server, _access(tmp_path)).values.tolist() == [5.0, 6.0]


def test_quarters_and_years_are_told_apart_and_sums_to_date_left_out(server: ReplayServer, tmp_path: Path) -> None:
    rows = [
        _entry("2023-06-30", "2023-08-01", 10.0, "a", "2023-04-01"),
        _entry("2023-06-30", "2023-08-01", 19.0, "a", "2023-01-01"),
        _entry("2022-12-31", "2023-02-20", 40.0, "b", "2022-01-01"),
    ]
    play_edgar(server, {SALES: rows})
    records = _edgar(server, _access(tmp_path))
    assert dict(zip(records.names.tolist(), records.values.tolist(), strict=True)) == {
        "revenue_quarter": 10.0,
        "revenue_year": 40.0,
    }


def test_a_later_filings_choice_of_concept_hides_nothing_earlier(server: ReplayServer, tmp_path: Path) -> None:
    old = _entry("2017-12-31", "2018-02-01", 40.0, "a", "2017-01-01")
    new = _entry("2017-12-31", "2019-02-01", 38.0, "b", "2017-01-01")
    play_edgar(server, {SALES: [old, {**new, "val": 41.0}], CONTRACTS: [new]})
    records = _edgar(server, _access(tmp_path))
    assert records.values.tolist() == [40.0, 38.0]


def test_the_contact_goes_with_every_request(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {ASSETS: [_entry("2023-09-30", "2023-11-03", 5.0, "a")]})
    _edgar(server, _access(tmp_path))
    assert {headers["User-Agent"] for headers in server.headers} == {CONTACT}


@pytest.mark.parametrize(("keys", "said"), [({}, "no key 'edgar_contact'"), ({"edgar_contact": "Jane"}, "'Jane'")])
def test_a_contact_that_is_none_is_refused(tmp_path: Path, keys: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Edgar(("AAA",), Access(tmp_path, keys)).records()


def test_another_company_in_the_answer_is_refused(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {ASSETS: [_entry("2023-09-30", "2023-11-03", 5.0, "a")]}, cik=7)
    with pytest.raises(DataError, match="answered with 7"):
        _edgar(server, _access(tmp_path))


def test_a_filing_of_the_future_is_refused(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {ASSETS: [_entry("2023-09-30", "2024-03-03", 5.0, "a")]})
    with pytest.raises(DataError, match="published at 2024-03-04"):
        _edgar(server, _access(tmp_path))


def test_a_ticker_the_sec_does_not_list_is_refused(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {})
    with pytest.raises(DataError, match="no company as ZZZ"):
        Edgar(("ZZZ",), _access(tmp_path), base_url=server.url).records()


def test_facts_of_no_known_concept_are_refused(server: ReplayServer, tmp_path: Path) -> None:
    play_edgar(server, {"us-gaap/Goodwill/USD": [_entry("2023-09-30", "2023-11-03", 5.0, "a")]})
    with pytest.raises(DataError, match="none of revenue"):
        _edgar(server, _access(tmp_path))


def test_every_concept_names_taxonomy_tag_and_unit() -> None:
    assert all(concept.count("/") >= 2 for concepts in edgar.CONCEPTS.values() for concept in concepts)


def test_fetched_facts_land_in_a_collection_and_a_second_fetch_adds_nothing(server: ReplayServer, tmp_path: Path) -> None:
    play_fred(server, _gdp())
    request = Request("fred", ("GDP",), "macro", options={"base_url": server.url})
    assert fetch_facts(request, _access(tmp_path)) == 3
    assert fetch_facts(request, _access(tmp_path)) == 0


def test_the_next_day_begins_at_midnight_of_the_zone_in_summer_and_winter() -> None:
    days = next_day(np.array(["2024-01-05", "2024-07-05", "2024-03-09"], dtype="datetime64[D]"))
    assert days.astype("datetime64[m]").astype(str).tolist() == ["2024-01-06T05:00", "2024-07-06T04:00", "2024-03-10T05:00"]
