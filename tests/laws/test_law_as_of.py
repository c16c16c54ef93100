"""As of: whatever became known after a moment may be anything, and no bar up to that moment changes by one bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantdesk.data.attach import attach, lagged
from quantdesk.data.reports import read_earnings, read_reports, read_series
from quantdesk.domain.arrays import Bools, Float64, Times
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from small_worlds import days, panel_of

Join = Callable[[Panel, Records, str], Float64]
Read = Callable[[Path], Records]

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
N_BARS, N_DATES = 80, 12


def join(panel: Panel, records: Records, name: str) -> Float64:
    return attach(panel, records, [name]).fields[name]


def join_by_period_end(panel: Panel, records: Records, name: str) -> Float64:
    # The fault: a value appears when its period ends, weeks before anyone had it.
    return join(panel, replace(records, known_at=records.periods + np.timedelta64(1, "s")), name)


def poisoned(records: Records, moment: np.datetime64, random: np.random.Generator) -> Records:
    """Give what became known after a moment other values, and other periods."""
    later = records.known_at > moment
    earlier = records.periods - random.integers(0, 40, len(records)).astype("timedelta64[D]")
    return replace(
        records,
        values=np.where(later, random.normal(0, 1e9, len(records)), records.values),
        periods=np.where(later, earlier, records.periods),
    )


def violations(join_with: Join, panel: Panel, records: Records, name: str, moment: np.datetime64, seed: int) -> int:
    """Count the values up to a moment that change when everything known later is poisoned."""
    rows = panel.times <= moment
    truth = join_with(panel, records, name)[rows]
    other = join_with(panel, poisoned(records, moment, np.random.default_rng(seed)), name)[rows]
    return int((~((truth == other) | (np.isnan(truth) & np.isnan(other)))).sum())


def drawn(seed: int, subjects: tuple[str, ...], is_forward: bool = False) -> Records:
    """Draw quarters, each told with a delay and restated now and then."""
    random = np.random.default_rng(seed)
    rows = []
    for subject in subjects:
        for period in range(-120, 110, 30):
            known = period + int(random.integers(-20 if is_forward else 1, 50))
            for _ in range(int(random.integers(1, 4))):
                rows.append((subject, period, known, random.normal()))
                known += int(random.integers(1, 40))
    names, periods, known_at, values = zip(*rows, strict=True)
    start = days(1)[0]
    return Records(
        np.array(names),
        np.full(len(rows), "x"),
        start + np.array(periods).astype("timedelta64[D]"),
        start + 24 * np.array(known_at).astype("timedelta64[h]") - random.integers(0, 24, len(rows)).astype("timedelta64[h]")
        if is_forward
        else start + np.array(known_at).astype("timedelta64[D]") - random.integers(0, 20, len(rows)).astype("timedelta64[h]"),
        np.array(values),
        is_forward=is_forward,
    )


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), row=st.integers(0, N_BARS - 1), kind=st.sampled_from(["facts", "estimates", "macro"]))
def test_nothing_known_later_is_visible_in_a_join(seed: int, row: int, kind: str) -> None:
    panel = panel_of(np.full((N_BARS, 3), 10.0))
    subjects = ("series",) if kind == "macro" else ("A", "B")
    records = drawn(seed, subjects, kind == "estimates")
    assert violations(join, panel, records, "x", panel.times[row], seed) == 0


def test_a_join_by_period_end_is_caught() -> None:
    panel = panel_of(np.full((N_BARS, 3), 10.0))
    caught = [violations(join_by_period_end, panel, drawn(seed, ("A", "B")), "x", panel.times[40], seed) for seed in range(10)]
    assert all(caught)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), row=st.integers(0, N_BARS - 1), business_days=st.integers(1, 30))
def test_nothing_of_a_lagged_series_is_visible_before_its_lag(seed: int, row: int, business_days: int) -> None:
    random = np.random.default_rng(seed)
    periods = days(N_BARS) - np.timedelta64(21, "h")
    series = Records(np.full(N_BARS, "s"), np.full(N_BARS, "s"), periods, periods, random.normal(size=N_BARS))
    panel = panel_of(np.full((N_BARS, 2), 10.0))
    values = join(panel, lagged(series, business_days), "s")[row]
    seen = row - business_days
    np.testing.assert_array_equal(values, series.values[seen] if seen >= 0 else np.nan)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), row=st.integers(0, N_BARS - 1))
def test_a_panel_as_of_a_moment_hides_every_field_known_later(seed: int, row: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(N_BARS, 3))
    known_at = days(N_BARS)[:, None] + random.integers(0, 20 * 24, (N_BARS, 3)).astype("timedelta64[h]")
    panel = replace(panel_of(np.full((N_BARS, 3), 10.0), late=values), known_at={"late": known_at})
    moment = panel.times[row] + np.timedelta64(int(random.integers(0, 23)), "h")
    seen = panel.as_of(moment, N_BARS).fields["late"]
    rows = slice(0, int((panel.times <= moment).sum()))
    np.testing.assert_array_equal(np.isfinite(seen), known_at[rows] <= moment)
    np.testing.assert_array_equal(seen[np.isfinite(seen)], values[rows][known_at[rows] <= moment])


# Real records: the oracle is the raw table. Rows dated on or after a moment's day are poisoned there,
# so neither the reader nor the join is taken at its word.


def world(symbols: tuple[str, ...], first: str, last: str) -> Panel:
    n = int(np.busday_count(np.datetime64(first, "D"), np.datetime64(last, "D")))
    panel = panel_of(np.full((n, len(symbols)), 10.0))
    instruments = tuple(replace(panel.instruments[0], symbol=symbol) for symbol in symbols)
    return replace(panel, times=days(n, first), instruments=instruments)


def raw_violations(
    read: Read, table: pl.DataFrame, later: Callable[[np.datetime64], Bools], panel: Panel, name: str, folder: Path
) -> int:
    """Count, over random dates, the values up to a bar that change with rows that were not yet known at its close."""
    random = np.random.default_rng(7)
    numbers = [column for column, kind in table.schema.items() if kind == pl.Float64]
    path = folder / "table.parquet"
    table.write_parquet(path)
    truth = join(panel, read(path), name)
    found = 0
    for row in random.integers(20, len(panel.times) - 1, N_DATES):
        is_later = pl.Series(later(panel.times[row].astype("datetime64[D]")))
        garbage = pl.Series(random.normal(0, 1e9, len(table)))
        changed = table.with_columns(
            pl.when(is_later).then(garbage).otherwise(pl.col(column)).alias(column) for column in numbers
        )
        changed.write_parquet(path)
        other = join(panel, read(path), name)[: row + 1]
        same = (truth[: row + 1] == other) | (np.isnan(truth[: row + 1]) & np.isnan(other))
        found += int((~same).sum())
    assert np.isfinite(truth).mean() > 0.3, "a law over nothing holds by itself"
    return found


def dated(table: pl.DataFrame, column: str) -> Times:
    return np.asarray(table[column].cast(pl.Date).to_numpy(), dtype="datetime64[D]")


def reports() -> tuple[pl.DataFrame, Panel]:
    path = DATA / "us_daily_point_in_time_2015_2017" / "reports_as_filed.parquet"
    if not path.is_file():
        pytest.skip(f"no real data at {DATA}")
    table = pl.read_parquet(path)
    table = table.filter(pl.col("symbol").is_in(table["symbol"].unique().sort().head(150).implode()))
    return table, world(tuple(table["symbol"].unique().sort()), "2015-03-20", "2017-03-31")


def announcements() -> tuple[pl.DataFrame, Panel]:
    path = DATA / "earnings_fundamentals" / "eps_estimate_actual_2012_2019.parquet"
    if not path.is_file():
        pytest.skip(f"no real data at {DATA}")
    table = pl.read_parquet(path)
    table = table.filter(pl.col("symbol").is_in(table["symbol"].unique().sort().head(150).implode()))
    return table, world(tuple(table["symbol"].unique().sort()), "2015-01-02", "2017-12-29")


def on_the_day_collected(path: Path) -> Records:
    # The fault: a report is known at the close of the very day on which it was collected.
    told = read_reports(path)
    return replace(told, known_at=np.maximum(told.known_at - np.timedelta64(24, "h"), told.periods + np.timedelta64(1, "s")))


def at_the_period_end(path: Path) -> Records:
    told = read_reports(path)
    return replace(told, known_at=told.periods + np.timedelta64(1, "s"))


def same_day_after_the_close(path: Path) -> Records:
    # The fault: what is released after the close is traded on at that close.
    pl.read_parquet(path).with_columns(release_time=pl.lit("pre")).write_parquet(path)
    return read_earnings(path)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("read", "is_lawful"), [(read_reports, True), (on_the_day_collected, False), (at_the_period_end, False)]
)
def test_reports_as_filed_show_nothing_on_or_before_the_day_they_were_collected(
    read: Read, is_lawful: bool, tmp_path: Path
) -> None:
    table, panel = reports()
    collected = dated(table, "collected")
    found = raw_violations(read, table, lambda day: collected >= day, panel, "assets", tmp_path)
    assert (found == 0) == is_lawful


@pytest.mark.real_data
@pytest.mark.parametrize(("read", "is_lawful"), [(read_earnings, True), (same_day_after_the_close, False)])
@pytest.mark.parametrize("name", ["eps_reported", "eps_estimated"])
def test_earnings_released_after_a_close_are_not_seen_at_it(name: str, read: Read, is_lawful: bool, tmp_path: Path) -> None:
    table, panel = announcements()
    date, is_post = dated(table, "date"), (table["release_time"] == "post").to_numpy()
    found = raw_violations(read, table, lambda day: (date > day) | ((date == day) & is_post), panel, name, tmp_path)
    assert (found == 0) == is_lawful


@pytest.mark.real_data
def test_a_monthly_macro_series_is_seen_no_earlier_than_its_lag_after_the_month() -> None:
    path = DATA / "macro" / "fred_49series_long.parquet"
    if not path.is_file():
        pytest.skip(f"no real data at {DATA}")
    told = read_series(path)
    monthly = told.where(told.names == "AHETPI")
    panel = world(("A", "B"), "2015-01-02", "2017-12-29")
    values, periods = lagged(monthly, 10).latest("AHETPI", ("AHETPI",), panel.times)
    np.testing.assert_array_equal(attach(panel, told, ["AHETPI"], lag=10).fields["AHETPI"][:, :1], values)
    waited = np.busday_count(periods[:, 0].astype("datetime64[D]"), panel.times.astype("datetime64[D]"))
    assert waited.min() >= 9
    assert (periods[:, 0].astype("datetime64[M]") < panel.times.astype("datetime64[M]")).all()
