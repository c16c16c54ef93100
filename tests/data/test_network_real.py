"""Payloads that vendors really sent, replayed through the real client libraries."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from replay_server import ReplayServer, StillClock, serving

from quantdesk.data.access import Access
from quantdesk.data.sources.alpha_vantage import AlphaVantage
from quantdesk.data.sources.polygon import Polygon
from quantdesk.domain.errors import DataError

RECORDED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "api_fixtures"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded payloads are not beside the checkout"),
]


def _recorded(archive: str, member: str) -> Any:
    with tarfile.open(RECORDED / archive) as held:
        content = held.extractfile(member)
        assert content is not None
        return json.loads(content.read())


def _bars() -> Any:
    member = "test_rest/mocks/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json"
    return _recorded("polygon-io_client-python.tar.gz", member)


def _told(name: str, ticker: str) -> Any:
    body = _recorded("polygon-io_client-python.tar.gz", f"test_rest/mocks/v3/reference/{name}.json")
    return {**body, "results": [row for row in body["results"] if row["ticker"] == ticker]}


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with serving() as server:
        server.route("/v3/reference/splits", lambda path, query: _told("splits", query["ticker"]))
        server.route("/v3/reference/dividends", lambda path, query: _told("dividends", query["ticker"]))
        yield server


def _polygon(server: ReplayServer, home: Path) -> Polygon:
    access = Access(home, {"polygon": "K"}, clock=StillClock())
    return Polygon(("AAPL",), access, "2005-04-01", "2005-04-04", base_url=server.url)


def test_recorded_bars_that_polygon_had_adjusted_are_refused(server: ReplayServer, tmp_path: Path) -> None:
    server.route("/v2/aggs", lambda path, query: _bars())
    with pytest.raises(DataError, match="prices of AAPL are adjusted"):
        _polygon(server, tmp_path).fetch()


def test_recorded_bars_are_read_with_both_sides_of_the_change_to_summer_time(server: ReplayServer, tmp_path: Path) -> None:
    server.route("/v2/aggs", lambda path, query: {**_bars(), "adjusted": False})
    panel = _polygon(server, tmp_path).fetch()
    assert panel.times.astype("datetime64[m]").astype(str).tolist() == ["2005-04-01T21:00", "2005-04-04T20:00"]
    assert panel.fields["close"][:, 0].tolist() == [1.4604, 1.4675]
    assert panel.fields["volume"][0, 0] == 642646396.0
    assert np.isnan(panel.fields["split"]).all()


def test_a_recorded_split_of_twenty_lies_on_its_ex_date(server: ReplayServer, tmp_path: Path) -> None:
    def bars(path: str, query: dict[str, str]) -> Any:
        closes = (("2022-07-15T04:00", 2255.34), ("2022-07-18T04:00", 109.91))
        rows = [
            {"t": int(np.datetime64(time, "ms").astype(int)), "o": close, "h": close, "l": close, "c": close, "v": 1.0}
            for time, close in closes
        ]
        return {"ticker": "GOOG", "adjusted": False, "status": "OK", "results": rows}

    server.route("/v2/aggs", bars)
    access = Access(tmp_path, {"polygon": "K"}, clock=StillClock())
    panel = Polygon(("GOOG",), access, "2022-07-01", "2022-07-31", base_url=server.url).fetch()
    assert panel.fields["split"][1, 0] == 20.0


def test_a_recorded_intraday_series_is_no_daily_one(server: ReplayServer, tmp_path: Path) -> None:
    body = _recorded("RomelTorres_alpha_vantage.tar.gz", "test_alpha_vantage/test_data/mock_time_series")
    server.route("/query", lambda path, query: body)
    access = Access(tmp_path, {"alpha_vantage": "K"}, clock=StillClock())
    with pytest.raises(DataError, match="not as documented"):
        AlphaVantage(("MSFT",), access, "2017-12-01", "2017-12-31", base_url=server.url).fetch()
