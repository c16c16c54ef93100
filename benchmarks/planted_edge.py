"""Does the desk find an edge that is there, and none where there is none? Prints a table over seeds.

Run: ``python benchmarks/planted_edge.py [--strategy boosted] [--planted 10] [--none 20]``
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from quantdesk import strategy as parts
from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.plan import Plan


def row(strategy: parts.Strategy, ic: float, seed: int) -> tuple[float, float, float, str]:
    """Evaluate on one market: net and gross Sharpe, rank IC, verdict."""
    panel = Synthetic(ic=ic, seed=seed).fetch()
    with tempfile.TemporaryDirectory() as home:
        result, _ = evaluate(strategy, panel, Plan(Path(home), seed=seed))
    scores = next(one for one in result.forecast_scores if one.horizon == strategy.horizon)
    net, gross = result.performance.sharpe, result.gross_performance.sharpe
    print(f"{ic:5.2f} {seed:5d} {net:7.2f} {gross:7.2f} {scores.rank_ic_mean:8.4f}  {result.verdict.headline}", flush=True)
    return net, gross, scores.rank_ic_mean, result.verdict.grade


def main() -> None:
    """Print one line a market, then what they amount to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", default="boosted")
    parser.add_argument("--ic", type=float, default=0.05)
    parser.add_argument("--planted", type=int, default=10)
    parser.add_argument("--none", type=int, default=20)
    chosen = parser.parse_args()
    strategy = parts.load(chosen.strategy, Path("."))
    print("   ic  seed     net   gross  rank IC  verdict")
    planted = [row(strategy, chosen.ic, seed) for seed in range(chosen.planted)]
    none = [row(strategy, 0.0, 100 + seed) for seed in range(chosen.none)]
    found = sum(net > 0 for net, *_ in planted)
    named = sum(grade != "none" for *_, grade in planted)
    if planted:
        print(f"planted IC {chosen.ic}: net Sharpe above zero in {found} of {len(planted)}, an edge named in {named}")
    if none:
        gross = np.array([one[1] for one in none])
        error = gross.std(ddof=1) / np.sqrt(len(gross))
        silent = sum(grade == "none" for *_, grade in none)
        print(f"no edge: mean gross Sharpe {gross.mean():+.3f} ± {error:.3f} (standard error), t = {gross.mean() / error:+.2f}")
        print(f"no edge: the verdict says so in {silent} of {len(none)}")


if __name__ == "__main__":
    main()
