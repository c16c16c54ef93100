"""Does a lost node change a result, and what does sharing cost? Three Ray nodes on this machine; one is killed.

Prints the time of 9 fits of the boosted trees in one process, in two, and on the nodes with one
killed in the middle; whether all agree to the bit; and the bytes a task copies of what is shared.

Run: ``python benchmarks/killed_node.py [--shared-mb 500]``
"""

import argparse
import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from quantdesk import compute, strategy
from quantdesk.compute import Compute
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.ports import Model
from quantdesk.domain.progress import Tell, silent

N_FITS = 9
N_TASKS = 20
Result = TypeVar("Result")


def learn(shared: tuple[Model, Dataset], seed: int) -> Float64:
    """Fit on the first half and forecast the second: the quantiles."""
    model, dataset = shared
    cut = len(dataset) // 2
    return model.fit(dataset.rows(0, cut), seed).forecast(dataset.rows(cut, len(dataset))).quantiles


def read(shared: Float64, _task: int) -> tuple[float, int]:
    """Sum all that is shared; and tell the bytes of memory of its own that the process took for it."""
    before = _own_bytes()
    total = float(shared.sum())
    return total, _own_bytes() - before


def _own_bytes() -> int:
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


@contextmanager
def three_nodes() -> Iterator[Any]:
    """Start a head, where the driver is, and two nodes beside it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    memory = 1_500_000_000
    nodes: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": memory})
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=memory)
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


def timed(name: str, work: Callable[[], Result]) -> Result:
    """Run, and print how long it took."""
    began = time.perf_counter()
    result = work()
    print(f"{name:<44} {time.perf_counter() - began:6.1f} s", flush=True)
    return result


def fits(shared: tuple[Model, Dataset], where: Compute, tell: Tell = silent) -> list[bytes]:
    """Fit once a seed; the forecasts' bytes."""
    return [one.tobytes() for one in compute.map(learn, shared, range(N_FITS), where, tell)]


def compare(nodes: Any) -> None:
    """Fit in one process, in two, and on three nodes of which one is lost."""
    chosen = strategy.load("boosted", Path.cwd())
    shared = chosen.model, chosen.dataset(Synthetic(n_instruments=12, n_days=600).fetch())
    lost = nodes.list_all_nodes()[-1]

    def lose(_what: str, done: int, _total: int) -> None:
        if done == N_FITS // 3:
            nodes.remove_node(lost, allow_graceful=False)

    here = timed("1 process", functools.partial(fits, shared, Compute()))
    local = timed("2 processes", functools.partial(fits, shared, Compute(workers=2)))
    ray = timed("3 nodes, one killed in the middle", functools.partial(fits, shared, Compute("ray"), lose))
    print(f"equal to the bit: 2 processes {local == here}, nodes {ray == here}; nodes left {len(nodes.list_all_nodes())}\n")


def weigh(n_mb: int) -> None:
    """Share an array and read all of it in every task."""
    shared = np.random.default_rng(0).random(n_mb * 125_000)
    print(f"{n_mb} MB shared over {N_TASKS} tasks, each of which sums all of it")
    for name, where in (("1 process", Compute()), ("2 processes", Compute(workers=2)), ("Ray nodes", Compute("ray"))):
        answers = timed(name, functools.partial(compute.map, read, shared, range(N_TASKS), where))
        taken = max(own for _, own in answers) / 1e6
        print(f"    most memory that a task took of its own: {taken:.1f} MB; sums {sorted({total for total, _ in answers})}")


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared-mb", type=int, default=500)
    chosen = parser.parse_args()
    with three_nodes() as nodes:
        compare(nodes)
        weigh(chosen.shared_mb)


if __name__ == "__main__":
    # The nodes look functions up by module, and the program that was started has no name there.
    import killed_node

    killed_node.main()
