"""Do our factors agree with the published ones? Prints correlations of daily returns, and what they mean.

Reads the Fama-French files and the S&P 500 panel where they lie beside the checkout (``../shared/data``);
the bundled sample needs nothing else. Run: ``python benchmarks/factors_against_fama_french.py``
"""

import argparse
from pathlib import Path

import numpy as np

from quantdesk.data.sources.sample import Sample
from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.features.factor_returns import equal_weight_market, factor_returns
from quantdesk.features.factors import exposures

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
WHAT_IT_MEANS = """
What agrees: an equal-weight mean of few large companies moves with the published market (0.96 since 2003, less in the
1990s, when these twenty were not yet what led), and volatility moves with it too, because volatile stocks have high
betas. In 500 stocks momentum leans against HML, as is known, and liquidity against SMB, for small is illiquid.
What does not: twenty survivors cannot reproduce SMB, for none of them is small, nor HML, RMW and CMA, for no
fundamentals enter. The files at hand hold no momentum factor to set beside ours. And twenty names give
factor returns that are for the most part those names' own."""


def published(path: Path) -> tuple[Times, dict[str, Float64]]:
    """Read one of the published files: days, and returns a day as fractions."""
    import polars as pl

    table = pl.read_csv(path, try_parse_dates=True)
    days = table["Date"].to_numpy().astype("datetime64[D]")
    return days, {name: table[name].to_numpy().astype(np.float64) / 100.0 for name in table.columns if name != "Date"}


def sp500(path: Path) -> Panel:
    """Read the panel of 2018 to 2023: closes adjusted for splits and dividends, volumes."""
    import polars as pl

    table = pl.read_parquet(path, columns=["Date", "symbol", "Adj Close", "Volume"])
    wide = {name: table.pivot(on="symbol", index="Date", values=name).sort("Date") for name in ("Adj Close", "Volume")}
    symbols = [name for name in wide["Volume"].columns if name != "Date"]
    fields = {
        ours: wide[theirs].select(symbols).to_numpy().astype(np.float64)
        for ours, theirs in (("close", "Adj Close"), ("volume", "Volume"))
    }
    return Panel(wide["Volume"]["Date"].to_numpy(), tuple(Instrument(one) for one in symbols), fields, name="sp500")


def correlation(days: Times, ours: Float64, their_days: Times, theirs: Float64) -> tuple[float, float, int]:
    """Correlate two daily series over the days both have; also our slope on theirs, and the days."""
    _, left, right = np.intersect1d(days.astype("datetime64[D]"), their_days, return_indices=True)
    x, y = theirs[right], ours[left]
    both = np.isfinite(x) & np.isfinite(y)
    covariance = np.cov(x[both], y[both])
    slope = covariance[0, 1] / covariance[0, 0]
    return float(np.corrcoef(x[both], y[both])[0, 1]), float(slope), int(both.sum())


def compare(panel: Panel, path: Path, note: str) -> None:
    """Print the correlations of one panel with one published file."""
    days, theirs = published(path)
    market = equal_weight_market(panel)
    r, slope, n = correlation(panel.times, market, days, theirs["Mkt-RF"])
    print(f"\n{note}: {panel.shape[1]} instruments against {path.name}")
    if not n:
        print("  no day in common")
        return
    print(f"  equal-weight market on Mkt-RF: correlation {r:.3f}, beta {slope:.2f}, {n} days")
    known = exposures(panel)
    earned = factor_returns(panel, known)
    for reason in known.left_out:
        print(f"  left out, {reason}")
    names = [name for name in theirs if name != "RF"]
    print(f"  {'':12}" + "".join(f"{name:>8}" for name in names))
    for column, name in enumerate(earned.names):
        row = [correlation(panel.times, earned.values[:, column], days, theirs[other])[0] for other in names]
        print(f"  {name:12}" + "".join(f"{one:8.2f}" for one in row))
    chance = len(known.names) / (panel.shape[1] - 1)
    print(
        f"  spread across instruments explained, on average: {np.nanmean(earned.explained):.0%}"
        f" ({chance:.0%} by chance alone; {earned.weighting} weights)"
    )


def main() -> None:
    """Print what agrees and what does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    chosen = parser.parse_args()
    macro = chosen.data / "macro"
    if not macro.is_dir():
        print(f"no published factors at {macro}: nothing to compare with")
        return
    sample = Sample().fetch()
    compare(sample, macro / "FF3_daily_1926_2021.csv.gz", "bundled sample, 1990 to 2021")
    compare(sample, macro / "FF5_daily_2003_2017.csv.gz", "bundled sample, 2003 to 2017")
    prices = chosen.data / "us_daily_sp500_2018_2023" / "ohlcv.parquet"
    if prices.is_file():
        compare(sp500(prices), macro / "FF3_daily_1926_2021.csv.gz", "S&P 500 members of 2023, 2018 to 2021")
    print(WHAT_IT_MEANS)


if __name__ == "__main__":
    main()
