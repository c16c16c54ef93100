"""The twenty columns that are timed beside peers: the peers at hand compute the same ones, and a difference is seen."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import features_peers  # noqa: E402


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_peer_computes_the_columns_that_we_do(name: str, tmp_path: Path) -> None:
    kept = features_peers.prices(90, 3)
    tables = []
    for way in (features_peers.OURS["same columns"], features_peers.WAYS[name]):
        work, table = way(kept, tmp_path)
        tables.append(np.asarray(table(work()), dtype=np.float64))
    assert tables[0].shape == (90, 3, 20)
    assert features_peers.difference(*tables) < 1e-6


def test_a_column_that_differs_is_seen() -> None:
    ours = np.ones((90, 3, 20))
    theirs = ours.copy()
    theirs[75, 1, 4] = 1.5
    assert features_peers.difference(ours, theirs) == pytest.approx(1 / 3)
    theirs[75, 1, 4] = np.nan
    assert not features_peers.difference(ours, theirs) < 1e-6


def test_speeds_and_ratios_are_of_the_seconds_taken() -> None:
    found = {
        "columns": 20,
        "features": 200,
        "same columns": {"1 core (s)": 2.0, "2 core (s)": 1.0},
        "every feature": {"1 core (s)": 10.0, "2 core (s)": 5.0},
        "Alpha158": {"1 core (s)": 1.0, "2 core (s)": 0.5},
        "Alpha158 of qlib": {"1 core (s)": 100.0, "2 core (s)": 60.0},
        "peers": {"slow": {"1 core (s)": 8.0, "2 core (s)": 5.0}, "gone": {"left out": "no wheel"}},
    }
    speeds = features_peers.with_speeds(found, 1_000_000)
    assert speeds["same columns"]["1 core (M/s)"] == 10.0
    assert speeds["every feature"]["2 core (M/s)"] == 40.0
    assert (speeds["Alpha158"]["1 core (M/s)"], speeds["Alpha158 of qlib"]["1 core (M/s)"]) == (158.0, 1.58)
    assert speeds["Alpha158 of qlib"]["ratio, 2 core"] == 120.0
    assert speeds["peers"]["slow"]["1 core (M/s)"] == 2.5
    assert (speeds["peers"]["slow"]["ratio, 1 core"], speeds["peers"]["slow"]["ratio, 2 core"]) == (4.0, 5.0)
    assert speeds["peers"]["gone"] == {"left out": "no wheel"}


def test_a_whole_alpha158_that_could_not_be_measured_says_why_and_has_no_speed() -> None:
    taken = {"1 core (s)": 1.0, "2 core (s)": 0.5}
    found = {"columns": 20, "features": 200, "peers": {}, "Alpha158 of qlib": {"left out": "no wheel"}}
    speeds = features_peers.with_speeds(found | {own: dict(taken) for own in features_peers.OURS}, 1_000_000)
    assert speeds["Alpha158 of qlib"] == {"left out": "no wheel"}
