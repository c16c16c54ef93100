"""Run the same crossovers through another backtester, in that one's own environment; called by sweep.py."""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

TIE = 1.0 + 1e-9


def vectorbt(world: Any, pairs: list[tuple[int, int]], figures: Path) -> float:
    """Time one pass with return, Sharpe and drawdown; keep what each account came to."""
    import pandas as pd
    import vectorbt as vbt

    close = pd.DataFrame(world["close"], index=pd.DatetimeIndex(world["times"]))
    opened = pd.DataFrame(world["open"], index=close.index)
    windows = sorted({window for pair in pairs for window in pair})
    began = time.perf_counter()
    means = {window: close.vbt.rolling_mean(window, minp=window).to_numpy() for window in windows}
    fast = np.concatenate([means[pair[0]] for pair in pairs], axis=1)
    slow = np.concatenate([means[pair[1]] for pair in pairs], axis=1)
    late = np.zeros((1, fast.shape[1]), dtype=bool)
    # Equal means differ in their last bits by the order of summing; the desk calls that a tie.
    above, below = fast > slow * TIE, slow > fast * TIE
    entries, exits = np.concatenate([late, above[:-1]]), np.concatenate([late, below[:-1]])
    wide = pd.concat([close] * len(pairs), axis=1, ignore_index=True)
    portfolio = vbt.Portfolio.from_signals(
        wide,
        pd.DataFrame(entries, index=close.index),
        pd.DataFrame(exits, index=close.index),
        price=np.tile(opened.to_numpy(), (1, len(pairs))),
        fees=0.001,
        init_cash=100_000.0,
        freq="1D",
    )
    total, _, worst = portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown()
    seconds = time.perf_counter() - began
    # The desk counts no return into the first bar; everything else is theirs.
    returns = portfolio.returns().to_numpy()[1:]
    np.savez(figures, total=total.to_numpy(), worst=-worst.to_numpy(), ratio=returns.mean(axis=0) / returns.std(axis=0, ddof=1))
    return seconds


def backtesting(world: Any, pairs: list[tuple[int, int]], _figures: Path) -> float:
    """Time one pass over the first instruments."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    def mean(values: Any, window: int) -> Any:
        return pd.Series(values).rolling(window).mean()

    class Cross(Strategy):  # type: ignore[misc, unused-ignore]
        fast, slow = 5, 20

        def init(self) -> None:
            self.above = self.I(lambda c: mean(c, self.fast) > mean(c, self.slow), self.data.Close)
            self.below = self.I(lambda c: mean(c, self.fast) < mean(c, self.slow), self.data.Close)

        def next(self) -> None:
            if not self.position and self.above[-1]:
                self.buy()
            elif self.position and self.below[-1]:
                self.position.close()

    seconds = 0.0
    for i in range(world["close"].shape[1]):
        opened, close = world["open"][:, i], world["close"][:, i]
        bars = pd.DataFrame(
            {"Open": opened, "High": np.maximum(opened, close), "Low": np.minimum(opened, close), "Close": close},
            index=pd.DatetimeIndex(world["times"]),
        )
        for fast, slow in pairs:
            began = time.perf_counter()
            Backtest(bars, Cross, cash=1e6, commission=0.001, finalize_trades=True).run(fast=fast, slow=slow)
            seconds += time.perf_counter() - began
    return seconds


def main() -> None:
    """Read the world, run once to warm up and then as often as asked, print seconds."""
    warnings.simplefilter("ignore")
    name, path, repeats, figures = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    world = np.load(path)
    pairs = [(int(fast), int(slow)) for fast, slow in world["pairs"]]
    run = {"vectorbt": vectorbt, "backtesting": backtesting}[name]
    run(world, pairs[:1], figures)
    print(json.dumps([run(world, pairs, figures) for _ in range(repeats)]))


if __name__ == "__main__":
    main()
