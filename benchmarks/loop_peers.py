"""Rebalance the same panel to the same weights each day through the loop and through pybroker, in the same run.

A random walk without splits or halts; long-only weights drawn beforehand, decided at a close and filled at the next open
for 5 bps, fractions of a share allowed. pybroker runs in an environment of its own. A bar-strategy is one instrument at
one bar. Seconds are of the processor, so that a busy machine changes them little; both use one core. The two accounts
end within a little of each other, and how far apart is kept with the figures.

Run: ``python benchmarks/loop_peers.py [--repeats 3] [--instruments 504] [--bars 252] [--json FILE]``
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COST_BPS = 5.0
CAPITAL = 1e6
INVESTED = 0.9
PEER_SECONDS = 150


def weights(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Draw long-only weights that leave some cash, (n_bars, n_instruments)."""
    drawn = np.random.default_rng(0).random(shape)
    shares: npt.NDArray[np.float64] = INVESTED * drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def pybroker(kept: Any) -> tuple[float, float]:
    """Rebalance in pybroker; seconds, and what the account ended at over what it began with."""
    import pandas as pd
    from pybroker import FeeMode, PriceType, Strategy, StrategyConfig  # type: ignore[import-not-found, unused-ignore]

    n_bars, n_instruments = kept["close"].shape
    days = pd.DatetimeIndex(kept["times"]).normalize()
    symbols = [f"S{i:04d}" for i in range(n_instruments)]
    fields = {name: kept[name].reshape(-1) for name in ("open", "high", "low", "close", "volume")}
    bars = pd.DataFrame({"date": np.repeat(days, n_instruments), "symbol": np.tile(symbols, n_bars), **fields})
    wanted = {symbol: kept["weights"][:, i] for i, symbol in enumerate(symbols)}
    config = StrategyConfig(
        initial_cash=CAPITAL, fee_mode=FeeMode.ORDER_PERCENT, fee_amount=COST_BPS / 100,
        enable_fractional_shares=True, round_fill_price=False,
    )  # fmt: skip

    def rebalance(context: Any) -> None:
        context.set_target_shares(wanted[context.symbol][context.bars - 1], dir="long")
        if context.buy_shares:
            context.buy_fill_price = PriceType.OPEN
        if context.sell_shares:
            context.sell_fill_price = PriceType.OPEN

    strategy = Strategy(bars, days[0], days[-1], config)
    strategy.add_execution(rebalance, symbols)
    began = time.process_time()
    result = strategy.backtest()
    return time.process_time() - began, float(result.portfolio["equity"].iloc[-1]) / CAPITAL


def inside(folder: Path, repeats: int) -> None:
    """Measure pybroker, in its environment, and print what it took."""
    warnings.simplefilter("ignore")
    with np.load(folder / "world.npz") as world:
        kept = {name: world[name] for name in world.files}
    pybroker({name: values[:30] for name, values in kept.items()})
    runs = [pybroker(kept) for _ in range(repeats)]
    print()
    print(json.dumps({"seconds": statistics.median(run[0] for run in runs), "end": runs[0][1]}))


def ours(panel: Any, wanted: npt.NDArray[np.float64], repeats: int) -> tuple[float, float]:
    """Rebalance in the loop; median seconds, and what the account ended at over what it began with."""
    from loop import Drawn

    from quantdesk.execution.costs import Costs
    from quantdesk.loop import Replay, open_desk
    from quantdesk.portfolio.limits import Limits

    decides, seconds = Drawn(panel, wanted), []
    for start in [len(panel.times) - 20] + [0] * repeats:
        desk = open_desk("benchmark", decides, Costs(COST_BPS, 0.0, 0.0, 0.0), Limits(), CAPITAL, panel.times[start])
        began = time.process_time()
        steps = list(desk.run(Replay(panel, start, decides.lookback)))
        seconds.append(time.process_time() - began)
    return statistics.median(seconds[1:]), steps[-1].equity / CAPITAL


def peer(panel: Any, wanted: npt.NDArray[np.float64], repeats: int) -> dict[str, Any]:
    """Run pybroker; what it took, or why it is left out."""
    from peer_homes import ask, last_line, prepare, python_in

    why = prepare("pybroker")
    if why:
        return {"left out": why}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "world.npz", times=panel.times, weights=wanted, **panel.fields)
        command: list[str | Path] = [Path(__file__), "--inside", folder, "--repeats", str(repeats)]
        try:
            told: dict[str, Any] = json.loads(ask(python_in("pybroker"), command, PEER_SECONDS, 1))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return {"left out": last_line(error)}
    return told


def measure(n_bars: int, n_instruments: int, repeats: int) -> dict[str, Any]:
    """Measure both and compare."""
    from features_peers import panel_of, prices

    panel = panel_of(prices(n_bars, n_instruments))
    wanted, million = weights(panel.shape), panel.shape[0] * panel.shape[1] / 1e6
    seconds, end = ours(panel, wanted, repeats)
    found: dict[str, Any] = {"instruments": n_instruments, "bars": n_bars, "1 core (M/s)": million / seconds, "end": end}
    theirs = peer(panel, wanted, repeats)
    if "left out" not in theirs:
        theirs |= {"1 core (M/s)": million / theirs["seconds"], "ratio, 1 core": theirs["seconds"] / seconds}
        theirs["difference"] = abs(theirs["end"] - end)
    return found | {"peers": {"pybroker": theirs}}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--instruments", type=int, default=504)
    arguments.add_argument("--bars", type=int, default=252)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.inside:
        inside(chosen.inside, chosen.repeats)
        return
    found = measure(chosen.bars, chosen.instruments, chosen.repeats)
    print(json.dumps(found, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
