"""Search a thousand rules on markets without an edge, and count how often the desk says that it found one.

Run: ``python benchmarks/search_on_noise.py --seeds 20``. Prints one line a seed, and the share that ends in "no evidence".
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.sweeping import search
from quantdesk.execution.rules import Crossover, Exits, Momentum, Reversion, Rule, grid


def rules() -> list[Rule]:
    """List a thousand rules of three families, long and short."""
    crossovers = grid(Crossover, fast=range(2, 42, 2), slow=range(20, 220, 8), side=["both"])
    momenta = grid(Momentum, bars=range(2, 252), side=["both"])
    reversions = grid(Reversion, bars=range(5, 80), width=[0.01, 0.02, 0.03, 0.05], side=["both"])
    every: list[Rule] = [*crossovers, *momenta, *reversions]
    return every[:1000]


def main() -> None:
    """Search on each seed's market, from a ledger that is empty, and print what was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    asked, tried, n_honest = parser.parse_args(), rules(), 0
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            found = search(Synthetic(10, 1260, seed=seed).fetch(), tried, Exits(), Plan(Path(home)))
        of = found.significance
        n_honest += found.verdict[0].startswith("no evidence")
        line = {
            "seed": seed,
            "rules": len(tried),
            "best": round(of.sharpe, 2),
            "later": round(found.later_sharpes[found.best], 2),
        }
        line |= {"effective": round(of.n_effective_trials, 1), "noise": round(of.expected_best_from_noise, 2)}
        line |= {"deflated": round(of.deflated_sharpe, 3), "said": found.verdict[0].split(":")[0]}
        print(json.dumps(line | {"seconds": round(time.perf_counter() - began, 1)}), flush=True)
    print(f"no evidence in {n_honest} of {asked.seeds} searches of {len(tried)} rules on noise")


if __name__ == "__main__":
    main()
