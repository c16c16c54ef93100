"""Do quarterly fundamentals, earnings and macro predict the next quarter? Once as it is usually done, once honestly.

Train on one list of least-correlated companies, evaluate on another. The usual way evaluates on the same quarters that
taught; the honest way on later ones only. Run: ``python benchmarks/quarterly_study.py ../shared/data``
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from quantdesk.data.attach import attach, lagged, next_close
from quantdesk.data.reports import read_series
from quantdesk.data.scan import overlapping, scan
from quantdesk.data.sources.file import File
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Model
from quantdesk.domain.records import Records, joined
from quantdesk.features.correlation import correlations
from quantdesk.features.dataset import available, build
from quantdesk.models.lightgbm import LightGBM
from quantdesk.models.ridge import Ridge

HORIZON = 63
SINCE = np.datetime64("2018-01-05", "ns")
FEATURES = (
    "ma_distance_*", "relative_volume_*", "momentum_252_21", "volatility_60", "net_margin*", "eps_*",
    "treasury_*", "vix*", "oil_*", "index_*", "term_*",
)  # fmt: skip
MACRO = {
    "DGS2": "treasury_2y", "DGS10": "treasury_10y", "VIXCLS": "vix",
    "DCOILWTICO": "oil_wti", "DCOILBRENTEU": "oil_brent", "SP500": "index_level",
}  # fmt: skip
MODELS: dict[str, Model] = {"linear": Ridge(demean=False), "boosted trees": LightGBM(demean=False, min_leaf=20, n_leaves=7)}


@dataclass(frozen=True)
class Judged:
    """What happened and what was said at the quarter ends of the evaluation list."""

    said: Float64
    happened: Float64
    quarter: Ints


def announcements(folder: Path) -> Records:
    """Read what was filed, known from the close of the next trading day; columns of future returns are not read."""
    path = folder / "earnings_fundamentals/marketview_earnings_events_2009_2026.parquet"
    table = pl.read_parquet(path).filter(pl.col("filing_date").is_not_null())
    days = table["filing_date"].str.to_date().to_numpy().astype("datetime64[ns]")
    columns = {
        "revenue": table["revenue"], "net_income": table["net_income"],
        "eps_reported": table["eps_actual"], "eps_surprise": table["eps_actual"] - table["eps_estimate"],
    }  # fmt: skip
    parts = []
    for name, column in columns.items():
        values = column.cast(pl.Float64).to_numpy()
        keep = np.isfinite(values)
        subjects = table["ticker"].to_numpy().astype(str)[keep]
        parts.append(Records(subjects, np.full(keep.sum(), name), days[keep], next_close(days[keep]), values[keep]))
    return joined(parts, name="announcements")


def macro(folder: Path) -> Records:
    """Read the series that the features know, a business day late."""
    told = read_series(folder / "macro/fred_49series_long.parquet")
    told = told.where(np.isin(told.names, list(MACRO)))
    names = np.array([MACRO[name] for name in told.names])
    return lagged(Records(names, names, told.periods, told.known_at, told.values, name="macro", caveats=told.caveats), 1)


def with_facts(panel: Panel, folder: Path) -> Panel:
    """Attach every fact by the time it became known."""
    panel = attach(panel, announcements(folder), ("revenue", "net_income", "eps_reported", "eps_surprise"))
    return attach(panel, macro(folder), tuple(MACRO.values()))


def quarter_ends(dataset: Dataset) -> Bools:
    """Mark the last bar of each calendar quarter."""
    quarters = dataset.times.astype("datetime64[M]").astype(np.int64) // 3
    return np.append(quarters[1:] != quarters[:-1], False)


def judge(model: Model, teach: Dataset, test: Dataset, rows: Ints, until: int | None) -> Judged:
    """Learn from the training list up to a bar (all of it: None), then judge the evaluation list at some bars."""
    known = np.arange(len(teach)) if until is None else np.flatnonzero(teach.ends[:, 0] < until)
    forecasts = model.fit(teach.take(known), seed=0).forecast(test.take(rows))
    said, happened = forecasts.mean[:, :, 0], test.labels[rows, :, 0]
    keep = np.isfinite(said) & np.isfinite(happened)
    return Judged(said[keep], happened[keep], np.broadcast_to(rows[:, None], said.shape)[keep])


def walked(model: Model, teach: Dataset, test: Dataset, rows: Ints) -> Judged:
    """Judge each quarter by a model that learned only what had ended before it, from the third year on."""
    parts = [judge(model, teach, test, np.array([row]), int(row)) for row in rows if row >= 504]
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("said", "happened", "quarter")))


def line(name: str, judged: Judged) -> None:
    """Print accuracy and magnitude, with errors that allow for companies sharing their quarter."""
    right = (judged.said > 0) == (judged.happened > 0)
    always = judged.happened > 0
    gain = [np.mean(right[judged.quarter == q].astype(float) - always[judged.quarter == q]) for q in np.unique(judged.quarter)]
    error = np.std(gain, ddof=1) / np.sqrt(len(gain))
    r2 = 1 - np.sum((judged.happened - judged.said) ** 2) / np.sum(judged.happened**2)
    ic = np.corrcoef(judged.said, judged.happened)[0, 1]
    print(
        f"{name:34s} {len(right):5d} {right.mean():9.1%} {always.mean():10.1%} {np.mean(gain):+8.1%} ±{error:5.1%}"
        f" {np.abs(judged.happened - judged.said).mean():8.4f} {np.abs(judged.happened).mean():8.4f} {r2:+8.3f} {ic:+7.3f}"
    )


def main(folder: Path) -> None:
    """Print both ways, and how far the features rise above noise."""
    panel = File(folder / "us_daily_sp500_2018_2023/ohlcv.parquet", name="sp500").fetch()
    train = scan(panel, "AAPL", 11, since=SINCE)
    evaluate = scan(panel, "F", 11, since=SINCE, exclude=train)
    overlapping(train, evaluate)
    print("train   ", *train)
    print("evaluate", *evaluate)
    teach, test = (with_facts(panel.select(symbols), folder) for symbols in (train, evaluate))
    chosen, left_out = available(teach, FEATURES)
    print(f"{len(chosen)} features; left out for want of data: {', '.join(left_out)}")
    taught, tested = (build(one, chosen, (HORIZON,)) for one in (teach, test))
    rows = np.flatnonzero(quarter_ends(tested) & np.isfinite(tested.labels[:, :, 0]).any(axis=1))
    heads = ("cases", "accuracy", "always up", "gain", "", "MAE", "of zero", "R2", "corr")
    print("\n" + " " * 34, *(f"{head:>{width}s}" for head, width in zip(heads, (5, 9, 10, 8, 6, 8, 8, 8, 7), strict=True)))
    for name, model in MODELS.items():
        line(f"{name}, the same quarters", judge(model, taught, tested, rows[rows >= 504], None))
        line(f"{name}, later quarters only", walked(model, taught, tested, rows))
    table = sorted(correlations(taught), key=lambda row: -abs(row.pearson))[:5]
    print("\nlargest correlations with the next quarter, and what the best of as many noise features would reach:")
    for row in table:
        print(f"{row.feature:28s} {row.pearson:+.3f}  band ±{row.band:.3f}  t {row.t:+.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
