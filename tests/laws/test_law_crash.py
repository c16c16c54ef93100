"""Crash: kill the loop anywhere, restart it, and the journal is what it would have been."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import crash_child
import numpy as np
import pytest
from law_worlds import CAPITAL, LEARNED, STRATEGIES, market, rehearsed

from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Decides
from quantdesk.execution.costs import Costs
from quantdesk.execution.simulated import SimulatedBroker
from quantdesk.ledger.journal import Journal
from quantdesk.loop import Desk, Replay, open_desk, resume_desk
from quantdesk.portfolio.limits import DrawdownHalt, Limits
from small_worlds import Scripted, random_targets, random_world

N_BARS = 70
KILLS = (0, 1, 12, 13, 38, 69)
WILD = Limits(gross=9, per_name=9, per_sector=9, daily_var=9, drawdown=0.1, cooldown_bars=3)

Resume = Callable[[Desk, Costs, Journal], tuple[Desk, np.datetime64 | None]]


def journal_of(
    decides: Decides, panel: Panel, start: int, limits: Limits, path: Path, stops: list[int], resume: Resume
) -> bytes:
    """Trade to the end, abandoning the desk at each stop and resuming from its journal alone.

    Parameters
    ----------
    stops : list of int
        Bars after which everything but the file is lost; the last one ends the run.
    """
    for stop in stops:
        fresh = open_desk("law", decides, Costs(), limits, CAPITAL, panel.times[start])
        desk, done = resume(fresh, Costs(), Journal(path))
        first = start if done is None else int(panel.times.searchsorted(done)) + 1
        for _ in islice(desk.run(Replay(panel, first, decides.lookback)), max(0, start + stop - first)):
            pass
    return path.read_bytes() if path.exists() else b""


def crash_violations(
    decides: Decides, panel: Panel, start: int, limits: Limits, n_bars: int, folder: Path, resume: Resume
) -> list[str]:
    """List the kills after which the journal is not the uninterrupted one, byte for byte."""
    folder.mkdir(exist_ok=True)
    whole = journal_of(decides, panel, start, limits, folder / "whole", [n_bars], resume)
    found = []
    for kill in (kill for kill in KILLS if kill < n_bars):
        broken = journal_of(decides, panel, start, limits, folder / f"killed-{kill}", [kill, n_bars], resume)
        if broken != whole:
            found.append(f"killed after bar {kill}")
    return found


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_desk_killed_between_bars_writes_the_journal_it_would_have_written(name: str, tmp_path: Path) -> None:
    strategy = rehearsed(name)
    assert crash_violations(strategy, market(), LEARNED, strategy.strategy.limits, N_BARS, tmp_path, resume_desk) == []


@pytest.mark.parametrize("seed", range(8))
def test_in_a_wild_market_too_with_halts_of_every_kind(seed: int, tmp_path: Path) -> None:
    panel = random_world(seed, 70)
    decides = Scripted(panel.times, random_targets(seed, panel.shape, 2.0))
    with np.errstate(all="ignore"):
        assert crash_violations(decides, panel, 0, WILD, 70, tmp_path, resume_desk) == []


@pytest.mark.parametrize("torn", [1, 17, 60, 200])
def test_a_torn_last_line_is_written_again(torn: int, tmp_path: Path) -> None:
    strategy, path = rehearsed("linear"), tmp_path / "torn"
    limits = strategy.strategy.limits
    whole = journal_of(strategy, market(), LEARNED, limits, tmp_path / "whole", [40], resume_desk)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:25])[:-torn])
    assert journal_of(strategy, market(), LEARNED, limits, path, [40], resume_desk) == whole


def test_many_kills_in_a_row_change_nothing(tmp_path: Path) -> None:
    strategy = rehearsed("mean_reversion")
    limits = strategy.strategy.limits
    whole = journal_of(strategy, market(), LEARNED, limits, tmp_path / "whole", [60], resume_desk)
    assert journal_of(strategy, market(), LEARNED, limits, tmp_path / "killed", list(range(0, 61, 3)), resume_desk) == whole


def test_a_process_killed_for_real_leaves_a_journal_that_continues(tmp_path: Path) -> None:
    n_bars, path = 220, tmp_path / "killed"
    command = [sys.executable, crash_child.__file__, "momentum", str(path), str(n_bars)]
    folders = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[1])))
    kill_after = int(np.random.default_rng(5).integers(20, 120))
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": folders})
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= kill_after:
            os.kill(child.pid, signal.SIGKILL)
            break
        time.sleep(0.0005)
    child.wait(timeout=60)
    n_written = path.read_bytes().count(b"\n")
    assert child.returncode == -signal.SIGKILL
    assert kill_after <= n_written < n_bars
    crash_child.run("momentum", path, n_bars)
    crash_child.run("momentum", tmp_path / "whole", n_bars)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def without_orders(desk: Desk, costs: Costs, journal: Journal) -> tuple[Desk, np.datetime64 | None]:
    """Resume, but forget the orders that were open."""
    resumed, done = resume_desk(desk, costs, journal)
    units = {symbol: float(position.quantity) for symbol, position in resumed.ledger.positions.items()}
    return replace(resumed, broker=SimulatedBroker(costs, units)), done


def without_units(desk: Desk, costs: Costs, journal: Journal) -> tuple[Desk, np.datetime64 | None]:
    """Resume, but with a broker that holds nothing."""
    resumed, done = resume_desk(desk, costs, journal)
    broker, pages = SimulatedBroker(costs), Journal(journal.path).pages()
    broker.submit(pages[-1].orders if pages else ())
    return replace(resumed, broker=broker), done


def without_halt(desk: Desk, costs: Costs, journal: Journal) -> tuple[Desk, np.datetime64 | None]:
    """Resume, but forget the peak and the cooldown."""
    resumed, done = resume_desk(desk, costs, journal)
    return replace(resumed, halt=DrawdownHalt(CAPITAL)), done


@pytest.mark.parametrize("resume", [without_orders, without_units, without_halt])
def test_a_desk_that_forgets_something_when_it_resumes_is_caught(resume: Resume, tmp_path: Path) -> None:
    found = []
    for seed in range(4):
        panel = random_world(seed, 70)
        decides = Scripted(panel.times, random_targets(seed, panel.shape, 2.0))
        with np.errstate(all="ignore"):
            found += crash_violations(decides, panel, 0, WILD, 70, tmp_path / str(seed), resume)
    assert found != []
