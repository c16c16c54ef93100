"""Requests: paced, patient, whole or not at all, and without a word about the keys."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from replay_server import ReplayServer, StillClock, broken, cut_off, cut_silently, serving, too_many

from quantdesk.data.access import Access, library
from quantdesk.data.pace import Bucket, Quota
from quantdesk.data.transports import courteous_session
from quantdesk.data.wire import ATTEMPTS, get_json, wire_of
from quantdesk.domain.errors import DataError


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with serving() as server:
        server.route("/x", lambda path, query: {"ok": 1, "long": "x" * 500})
        yield server


def _ask(server: ReplayServer, clock: StillClock, secret: str = "") -> object:
    wire = wire_of(Access(Path("."), clock=clock), "test", 6000.0, (secret,) if secret else ())
    return get_json(courteous_session(wire), wire, f"{server.url}/x", {"apikey": secret})


def test_retry_after_in_seconds_is_waited_for(server: ReplayServer) -> None:
    clock = StillClock()
    server.misbehave("/x", too_many("17"))
    assert _ask(server, clock) == {"ok": 1, "long": "x" * 500}
    assert 17.0 in clock.slept
    assert server.count("/x") == 2


def test_retry_after_as_a_date_is_waited_for(server: ReplayServer) -> None:
    clock = StillClock("2024-02-01T00:00")
    server.misbehave("/x", too_many("Thu, 01 Feb 2024 00:00:42 GMT"))
    _ask(server, clock)
    assert clock.slept[0] == pytest.approx(42.0, abs=0.1)


def test_a_wait_that_is_too_long_stops_the_run_and_names_it(server: ReplayServer) -> None:
    server.misbehave("/x", too_many("86400"))
    with pytest.raises(DataError, match="asks to wait 86400 seconds"):
        _ask(server, StillClock())
    assert server.count("/x") == 1


def test_waits_without_a_word_from_the_server_double(server: ReplayServer) -> None:
    clock = StillClock()
    server.misbehave("/x", broken(503), times=4)
    _ask(server, clock)
    assert [round(seconds) for seconds in clock.slept if seconds >= 0.5] == [1, 2, 4, 8]


def test_a_server_that_stays_broken_is_left_alone_after_six_attempts(server: ReplayServer) -> None:
    server.misbehave("/x", broken(500), times=50)
    with pytest.raises(DataError, match="failed 6 times, last with: status 500"):
        _ask(server, StillClock())
    assert server.count("/x") == ATTEMPTS


@pytest.mark.parametrize("fault", [cut_off, cut_silently])
def test_a_body_cut_off_is_asked_for_again(server: ReplayServer, fault: object) -> None:
    server.misbehave("/x", fault)  # type: ignore[arg-type]
    assert _ask(server, StillClock()) == {"ok": 1, "long": "x" * 500}
    assert server.count("/x") == 2


def test_a_refusal_is_told_with_its_body_and_not_retried(server: ReplayServer) -> None:
    server.misbehave("/x", broken(403), times=9)
    with pytest.raises(DataError, match=r"answered 403 at .*/x: oops") as refused:
        _ask(server, StillClock())
    assert "check the key" in refused.value.action
    assert server.count("/x") == 1


def test_no_message_shows_a_key(server: ReplayServer) -> None:
    server.route("/x", lambda path, query: {"echo": query["apikey"]})
    server.misbehave("/x", lambda answer: broken(400)(answer).__class__(b"bad key TOPSECRET", 400))
    with pytest.raises(DataError) as refused:
        _ask(server, StillClock(), "TOPSECRET")
    assert "TOPSECRET" not in str(refused.value)
    assert "***" in str(refused.value)


def test_a_connection_that_fails_shows_no_key() -> None:
    with serving() as gone:
        pass
    with pytest.raises(DataError, match="failed 6 times") as refused:
        _ask(gone, StillClock(), "TOPSECRET")
    assert "TOPSECRET" not in str(refused.value)


def test_a_bucket_lets_a_burst_through_then_so_many_a_minute() -> None:
    clock = StillClock()
    bucket = Bucket(per_minute=6.0, clock=clock, burst=3)
    for _ in range(7):
        bucket.take()
    assert len(clock.slept) == 4
    assert sum(clock.slept) == pytest.approx(40.0, abs=1e-6)


def test_tokens_come_back_with_time() -> None:
    clock = StillClock()
    bucket = Bucket(per_minute=60.0, clock=clock, burst=2)
    bucket.take()
    bucket.take()
    clock.sleep(5.0)
    clock.slept.clear()
    bucket.take()
    bucket.take()
    assert clock.slept == []


def test_a_quota_outlives_the_process_and_ends_with_the_day(tmp_path: Path) -> None:
    clock = StillClock("2024-02-01T10:00")
    for _ in range(3):
        Quota(tmp_path / "quota.json", 3, clock, "test").take()
    with pytest.raises(DataError, match="3 of 3 requests of 2024-02-01"):
        Quota(tmp_path / "quota.json", 3, clock, "test").take()
    clock.turn("2024-02-02T00:01")
    quota = Quota(tmp_path / "quota.json", 3, clock, "test")
    assert quota.used == 0
    quota.take()


def test_a_missing_library_says_what_to_install() -> None:
    with pytest.raises(DataError, match=r"pip install 'quantdesk\[sources\]'"):
        library("a_library_that_nobody_wrote.part")


def test_a_missing_key_says_which_where_from_and_where_to(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        Access(tmp_path).key("alpha_vantage", "https://example.com/key")
    said = str(refused.value)
    assert "'alpha_vantage'" in said
    assert "https://example.com/key" in said
    assert "DESK_KEYS__ALPHA_VANTAGE" in said


def test_the_desk_may_set_another_rate(tmp_path: Path) -> None:
    clock = StillClock()
    wire = wire_of(Access(tmp_path, clock=clock, per_minute={"test": 60.0}), "test", 6.0)
    wire.bucket.take()
    wire.bucket.take()
    assert np.isclose(sum(clock.slept), 1.0)
