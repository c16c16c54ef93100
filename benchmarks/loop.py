"""How fast is the loop that live trading shares? Trades one market daily, weekly and never, beside the kernel.

A bar-strategy is one instrument at one bar, decided, limited, ordered, filled and booked. The wanted
weights are drawn beforehand, so that a decision costs one look-up. The kernel trades the same targets in
the same run and must be worth the same. Seconds are of the processor, so that a busy machine changes them
little; both use one core. The peers' figures were measured on a 2-core machine, each in an environment of
its own: they stand for their order of magnitude (``loop_peers.py`` runs pybroker beside the loop).

Run: ``python benchmarks/loop.py [--data sp500] [--bars 1005] [--json FILE]``
"""

import argparse
import json
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantdesk.data import store
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.decision import Target
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.backtest import PARITY
from quantdesk.execution.costs import Costs, Market
from quantdesk.execution.kernel import Halt, simulate
from quantdesk.loop import Replay, Step, open_desk
from quantdesk.portfolio.limits import Limits
from quantdesk.settings import Settings

PEERS = {"backtesting.py": 0.11, "pybroker": 0.10, "nautilus": 0.04}
"""Million bar-strategies a second of peers that trade bar by bar."""

CAPITAL = 1e6
RUNS = 3


@dataclass
class Drawn:
    """Want weights drawn beforehand, every so many bars.

    Parameters
    ----------
    panel : Panel
        The market.
    weights : Float64
        Wanted at each bar (n_times, n_instruments); NaN leaves a position.
    lookback : int
        Bars that a decision reads.
    """

    panel: Panel
    weights: Float64
    lookback: int = 1

    def target(self, panel: Panel, held: Float64) -> Target:
        """Look the weights up."""
        return Target(self.weights[int(np.searchsorted(self.panel.times, panel.now))])


def drawn(panel: Panel, every: int) -> Drawn:
    """Draw long and short weights of a gross exposure of 1 at every so many bars; 0 draws none."""
    weights = np.random.default_rng(0).normal(size=panel.shape)
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    weights[np.arange(len(weights)) % every != 0 if every else slice(None)] = np.nan
    return Drawn(panel, weights)


def trade(decides: Drawn, start: int) -> tuple[list[Step], float]:
    """Run the loop from ``start`` on; return its steps and the seconds it took."""
    desk = open_desk("benchmark", decides, Costs(), Limits(), CAPITAL, decides.panel.times[start])
    began = time.process_time()
    steps = list(desk.run(Replay(decides.panel, start, decides.lookback)))
    return steps, time.process_time() - began


def trade_fast(steps: list[Step], market: Market) -> float:
    """Trade what the loop decided through the kernel; return the seconds, once both are worth the same."""
    limits, targets = Limits(), np.stack([step.allowed.weights for step in steps])
    began = time.process_time()
    path = simulate(targets, market, Costs().rates, Halt(limits.drawdown, limits.cooldown_bars), CAPITAL)
    seconds = time.process_time() - began
    np.testing.assert_allclose(path.equity, [step.equity for step in steps], rtol=PARITY)
    return seconds


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", default="")
    arguments.add_argument("--bars", type=int, default=1005)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    made = Synthetic(n_instruments=504, n_days=chosen.bars + 300, seed=1)
    panel = store.load(chosen.data, Settings().home) if chosen.data else made.fetch()
    start = max(0, len(panel.times) - chosen.bars)
    market = Market.of(panel, Costs()).since(start)
    n_cells = (len(panel.times) - start) * panel.shape[1]
    print(f"{panel.name}: {panel.shape[1]} instruments, {len(panel.times) - start} bars; median of {RUNS}")
    found: dict[str, float] = {"instruments": panel.shape[1], "bars": len(panel.times) - start}
    for often, every in (("daily", 1), ("weekly", 5), ("never", 0)):
        decides = drawn(panel, every)
        trade(decides, len(panel.times) - 20)
        runs = [trade(decides, start) for _ in range(RUNS)]
        steps, seconds = runs[0][0], statistics.median(run[1] for run in runs)
        fast = statistics.median(trade_fast(steps, market) for _ in range(RUNS))
        n_fills = sum(len(step.events) for step in steps)
        rate = n_cells / seconds / 1e6
        peers = ", ".join(f"{rate / peer:.0f}x {name}" for name, peer in PEERS.items())
        print(
            f"{often:<7} {rate:6.2f} M bar-strategies/s   {n_fills:>7,} events   kernel {n_cells / fast / 1e6:6.1f} M/s, "
            f"{seconds / fast:.0f}x the loop   {peers}",
            flush=True,
        )
        found |= {f"{often} (M/s)": rate, f"kernel, {often} (M/s)": n_cells / fast / 1e6}
    if chosen.json:
        found["peak memory (MB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1024 if sys.platform == "linux" else 2**20
        )
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
