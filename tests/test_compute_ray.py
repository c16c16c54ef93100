"""Tasks on a cluster of three nodes, all of them on this machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compute_work as work
from quantdesk import compute, compute_ray
from quantdesk import strategy as strategies
from quantdesk.compute import Compute
from quantdesk.domain.errors import ComputeError, DataError
from test_compute import OWN, dataset

pytest.importorskip("ray", reason="ray is not installed: pip install 'quantdesk[cluster]'")
RAY = Compute("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head without cores, where the driver is, and two nodes with a core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    noticed_soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_failure_threshold": 5}
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100_000_000, "_system_config": noticed_soon}
    nodes: Any = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100_000_000)
    ray.init(address=nodes.address, log_to_driver=False)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_a_lost_node_changes_no_bit(cluster: Any) -> None:
    shared = np.random.default_rng(1).normal(size=(41, 300, 50)).transpose(1, 2, 0)
    lost = cluster.list_all_nodes()[-1]
    told: list[int] = []

    def lose(_what: str, done: int, _n: int) -> None:
        told.append(done)
        if done == 3:
            cluster.remove_node(lost, allow_graceful=False)

    there = compute.map(work.solve, shared, range(10), RAY, lose)
    here = compute.map(work.solve, shared, range(10))
    assert [one.tobytes() for one in there] == [one.tobytes() for one in here]
    assert told == list(range(11))
    assert lost not in cluster.list_all_nodes()


def test_a_boosted_model_learns_the_same_to_the_bit(cluster: Any) -> None:
    data, tasks = dataset(), [(strategies.load("boosted", Path("nowhere")).model, 1)]
    there, here = (compute.map(work.learn, data, tasks, where)[0] for where in (RAY, None))
    assert there.tobytes() == here.tobytes()


def test_shared_arrays_are_views_of_the_cluster_store(cluster: Any) -> None:
    cube = np.random.default_rng(0).normal(size=(40, 50, 60))
    shared = {"plain": cube, "turned": cube.transpose(1, 2, 0)}
    for name, (strides, is_writeable, is_owner, _) in zip(
        shared, compute.map(work.layout, shared, list(shared), RAY), strict=True
    ):
        assert (strides, is_writeable, is_owner) == (shared[name].strides, False, False), name


def test_a_killed_worker_an_error_and_a_users_own_file_are_as_on_one_machine(cluster: Any, tmp_path: Path) -> None:
    assert compute.map(work.die_first, tmp_path, range(3), RAY) == [0, 1, 4]
    with pytest.raises(DataError, match="task 1 is bad") as caught:
        compute.map(work.fail, None, range(3), RAY)
    assert type(caught.value) is DataError
    with pytest.raises(ComputeError, match=r"task 1 \(1\) was lost on the cluster, WorkerCrashedError"):
        compute.map(work.die_always, None, range(2), RAY)
    (tmp_path / "their_own.py").write_text(OWN)
    mine = strategies.load(str(tmp_path / "their_own.py"), tmp_path)
    learned: list[Any] = compute.map(work.fit, (mine.model, dataset()), range(2), RAY)
    assert {type(one) for one in learned} == {vars(sys.modules["desk_strategy_their_own"])["Learned"]}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what Ray would be told."""
    import ray

    made: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **settings: made.append(settings))
    monkeypatch.setattr(ray, "shutdown", lambda: made.append({"address": "shut down"}))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


def test_what_was_started_here_is_shut_down_and_listens_here_only(calls: list[dict[str, Any]]) -> None:
    with compute_ray._cluster("ray", 3):
        pass
    assert [call["address"] for call in calls] == ["local", "shut down"]
    assert (calls[0]["num_cpus"], calls[0]["_node_ip_address"], calls[0]["include_dashboard"]) == (3, "127.0.0.1", False)


def test_a_cluster_elsewhere_is_given_this_code(calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    with compute_ray._cluster("ray://head:10001", 3):
        pass
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    with compute_ray._cluster("ray", 3):
        pass
    assert [call["address"] for call in calls] == ["ray://head:10001", "shut down", "head:6379", "shut down"]
    assert calls[0]["runtime_env"]["py_modules"] == [str(Path(compute_ray.__file__).parent)]


def test_a_cluster_that_does_not_answer_is_named(calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_settings: object) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ComputeError, match="no Ray cluster answers at ray://head:1"), compute_ray._cluster("ray://head:1", 1):
        pass
    assert calls == []


@pytest.mark.parametrize("n_refused", [2, 3])
def test_a_head_node_that_loses_whoever_enters_is_asked_three_times(
    calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, n_refused: int
) -> None:
    import ray

    def lose(**settings: object) -> None:
        calls.append(settings)
        if len(calls) <= n_refused:
            raise ConnectionAbortedError("Initialization failure from server:\nStarting Ray client server failed.\n")

    monkeypatch.setattr(ray, "init", lose)
    refused = pytest.raises(ComputeError, match=r"refused entry 3 times: Starting Ray client server failed\.")
    with refused if n_refused == 3 else nullcontext(), compute_ray._cluster("ray://head:1", 1):
        calls.append({"address": "inside"})
    assert [call["address"] for call in calls[3:]] == ([] if n_refused == 3 else ["inside", "shut down"])
