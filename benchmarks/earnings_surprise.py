"""Can earnings surprises be predicted, when should one say nothing, and is it worth money? Prints what it is.

Reads the announcements and prices beside the checkout (``../shared/data``). Every figure is out of sample: for each
year the predictor learns from announcements settled before it. Run: ``python benchmarks/earnings_surprise.py``
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from quantdesk.data.admission import admit
from quantdesk.data.reports import read_earnings
from quantdesk.data.sources.file import File
from quantdesk.data.sources.first_seen import FirstSeen
from quantdesk.domain.arrays import Bools, Float64, Ints
from quantdesk.domain.bars import Bars
from quantdesk.domain.forecast import LEVELS
from quantdesk.domain.panel import Panel
from quantdesk.domain.records import Records
from quantdesk.features.earnings import BEAT, MISS, RECORD_FEATURES, Announcements, announcements
from quantdesk.features.earnings_history import PRICE
from quantdesk.models.multiclass import log_loss
from quantdesk.models.surprise import CLASSES, MISSING, TOO_FEW, UNSURE, Moves, Surprise, SurpriseForecasts

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
YEARS = tuple(range(2014, 2020))
COST = 0.001
SESSION = np.timedelta64(390, "m")
SEED = 0


@dataclass(frozen=True, eq=False)
class Tested:
    """One year's announcements that had a prediction, with what was known before the year."""

    year: int
    rows: Announcements
    found: SurpriseForecasts
    base: Float64
    contest: tuple[tuple[str, float], ...]
    n_all: int
    n_reasons: dict[str, int]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    folder: Path = parser.parse_args().data
    path = folder / "earnings_fundamentals" / "eps_estimate_actual_2012_2019.parquet"
    if not path.is_file():
        print(f"no announcements at {path}: nothing to predict")
        return
    records = read_earnings(path)
    rows = announcements(records)
    print(f"{len(rows):,} announcements of {len(set(rows.told.symbols.tolist())):,} companies, {path.name}")
    for caveat in rows.caveats:
        print(f"  {caveat}")
    tested = list(walk_forward(rows, RECORD_FEATURES))
    print_scores(tested, "1. Every announcement; earnings alone, no prices")
    print_calibration(tested)
    print_abstention(tested)
    print_placebo(rows)
    priced, panels = with_prices(records, rows, folder)
    if panels:
        print_with_prices(priced, panels)


def walk_forward(rows: Announcements, names: tuple[str, ...], chosen: Bools | None = None) -> Iterator[Tested]:
    """Learn before each year, predict in it; ``chosen`` rows are tested (default: all)."""
    for year in YEARS:
        begin, end = np.datetime64(f"{year}-01-01", "ns"), np.datetime64(f"{year + 1}-01-01", "ns")
        past = rows.settled_by(begin)
        is_now = (rows.decided_at >= begin) & (rows.decided_at < end) & (rows.outcomes >= 0)
        now = rows.where(is_now if chosen is None else is_now & chosen)
        if not len(now) or (set(names) & set(PRICE) and not np.isfinite(past.volatility).any()):
            continue
        predictor = Surprise(feature_names=names).learn(past, SEED)
        found = predictor.predict(now)
        reasons, counts = np.unique(found.reasons, return_counts=True)
        keep: Bools = np.isfinite(found.probabilities[:, 0])
        base = np.bincount(past.outcomes, minlength=3) / len(past)
        told = dict(zip(reasons.tolist(), counts.tolist(), strict=True))
        yield Tested(year, now.where(keep), cut(found, keep), base, predictor.contest, len(now), told)


def cut(found: SurpriseForecasts, keep: Bools) -> SurpriseForecasts:
    """Keep the chosen predictions."""
    return SurpriseForecasts(*(getattr(found, name)[keep] for name in found.__dataclass_fields__))


def own_rate(test: Tested) -> Float64:
    """Give the company's own shares of its last 8 announcements, with 4 more at the base rates (n, 3)."""
    column = test.rows.feature_names.index
    beats, misses = (test.rows.features[:, column(name)] for name in ("beats_8", "misses_8"))
    n_past = np.minimum(test.rows.n_past, 8)[:, None]
    counts = np.column_stack([misses, 1 - misses - beats, beats]) * n_past
    share: Float64 = (counts + 4 * test.base) / (n_past + 4)
    return share


def brier(probabilities: Float64, outcomes: Ints) -> float:
    """Average the squared distance from what happened, summed over the classes."""
    return float(((probabilities - np.eye(3)[outcomes]) ** 2).sum(axis=1).mean())


def accuracy(probabilities: Float64, outcomes: Ints) -> float:
    """Share of announcements whose likeliest class came."""
    return float((probabilities.argmax(axis=1) == outcomes).mean())


def print_scores(tested: list[Tested], title: str) -> None:
    """Print log loss, Brier score and accuracy beside the baselines, year by year and together."""
    print(f"\n{title}")
    print("               log loss              Brier                 accuracy                   learners' inner log loss")
    print("year       n   base    own  model    base   own  model     beat    own  model         lightgbm  logistic")
    for test in tested:
        y, ours, own, base = (
            test.rows.outcomes,
            test.found.probabilities,
            own_rate(test),
            np.tile(test.base, (len(test.rows), 1)),
        )
        inner = "  ".join(f"{loss:8.4f}" for _, loss in test.contest)
        print(f"{test.year}  {len(y):6,}  {score_line(base, own, ours, y)}         {inner}")
    y = np.concatenate([test.rows.outcomes for test in tested])
    base = np.concatenate([np.tile(test.base, (len(test.rows), 1)) for test in tested])
    own = np.concatenate([own_rate(test) for test in tested])
    print(f"all   {len(y):6,}  {score_line(base, own, np.concatenate([test.found.probabilities for test in tested]), y)}")


def score_line(base: Float64, own: Float64, ours: Float64, y: Ints) -> str:
    """Write three scores of three predictors."""
    losses = "  ".join(f"{log_loss(one, y):.3f}" for one in (base, own, ours))
    briers = "  ".join(f"{brier(one, y):.3f}" for one in (base, own, ours))
    hits = "  ".join(f"{share:5.1%}" for share in ((y == BEAT).mean(), accuracy(own, y), accuracy(ours, y)))
    return f"{losses}   {briers}    {hits}"


def print_calibration(tested: list[Tested]) -> None:
    """Print what was said of a beat, and how often it came."""
    said = np.concatenate([test.found.probabilities[:, BEAT] for test in tested])
    came = np.concatenate([test.rows.outcomes for test in tested]) == BEAT
    place = np.minimum((said * 10).astype(np.int64), 9)
    print("\nProbability of a beat: said, came")
    gaps = 0.0
    for bin_ in range(10):
        own = place == bin_
        if own.any():
            gaps += own.sum() * abs(said[own].mean() - came[own].mean())
            share, seen = said[own].mean(), came[own].mean()
            print(f"  {bin_ / 10:.1f}-{bin_ / 10 + 0.1:.1f}  n {own.sum():6,}   said {share:.3f}   came {seen:.3f}")
    print(f"  expected calibration error {gaps / len(said):.4f}")


def print_abstention(tested: list[Tested]) -> None:
    """Print coverage of the sets, and accuracy when it speaks, beside the baselines on the same rows."""
    print("\nSets at 80 %, and what is said when it speaks (baselines on the same announcements)")
    print(
        "year  announced  spoken  too few  missing  unsure    cover  of miss  of meet  of beat    right  always beat  own rate"
    )
    for test in tested:
        print(f"{test.year}  {abstention_line([test])}")
    print(f"all   {abstention_line(tested)}")
    y, own, predicted = together(tested)
    surest = np.argsort(-own.max(axis=1), kind="stable")[: int((predicted >= 0).sum())]
    print(f"  the own rate, speaking as often, where it is surest: {accuracy(own[surest], y[surest]):.1%} right")
    for outcome, name in enumerate(CLASSES):
        said = predicted == outcome
        print(f"  said {name}: {said.sum():6,} times, right {(y[said] == outcome).mean():5.1%}")


def together(tested: list[Tested]) -> tuple[Ints, Float64, Ints]:
    """Join outcomes, the companies' own rates, and predicted classes."""
    return (
        np.concatenate([test.rows.outcomes for test in tested]),
        np.concatenate([own_rate(test) for test in tested]),
        np.concatenate([test.found.predicted for test in tested]),
    )


def abstention_line(tested: list[Tested]) -> str:
    """Write one line of the table."""
    n_all = sum(test.n_all for test in tested)
    shares = [sum(test.n_reasons.get(reason, 0) for test in tested) / n_all for reason in ("", TOO_FEW, MISSING, UNSURE)]
    y, own, predicted = together(tested)
    held = np.concatenate([test.found.sets for test in tested])[np.arange(len(y)), y]
    of_class = "    ".join(f"{held[y == outcome].mean():5.1%}" for outcome in range(3))
    spoke = predicted >= 0
    y, own, predicted = y[spoke], own[spoke], predicted[spoke]
    right = f"{(predicted == y).mean():5.1%}        {(y == BEAT).mean():5.1%}     {accuracy(own, y):5.1%}" if len(y) else ""
    return (
        f"{n_all:9,}   " + "   ".join(f"{share:5.1%}" for share in shares) + f"    {held.mean():5.1%}    {of_class}    {right}"
    )


def print_placebo(rows: Announcements) -> None:
    """Print what the same program makes of outcomes that were dealt out anew."""
    dealt = np.random.default_rng(SEED).permutation(rows.outcomes)
    tested = list(walk_forward(replace(rows, outcomes=dealt), RECORD_FEATURES))
    y = np.concatenate([test.rows.outcomes for test in tested])
    ours = np.concatenate([test.found.probabilities for test in tested])
    base = np.concatenate([np.tile(test.base, (len(test.rows), 1)) for test in tested])
    spoke = np.concatenate([test.found.predicted for test in tested]) >= 0
    print(
        f"\nPlacebo, outcomes dealt out anew: log loss {log_loss(ours, y):.4f} (base rate {log_loss(base, y):.4f}), "
        f"spoke on {spoke.mean():.1%}"
    )


def with_prices(records: Records, rows: Announcements, folder: Path) -> tuple[Announcements, list[Panel]]:
    """Lay the announcements beside each price file; a row takes the file that has its last close."""
    panels, merged = [], rows
    for panel in price_files(records, folder):
        own = announcements(records, panel)
        # The same announcements in every layout: a company's symbol and period name a row.
        place = {(s, p): i for i, (s, p) in enumerate(zip(own.told.symbols.tolist(), own.told.periods.tolist(), strict=True))}
        keys = zip(merged.told.symbols.tolist(), merged.told.periods.tolist(), strict=True)
        own = own.where(np.array([place[key] for key in keys], dtype=np.int64))
        has = (own.bars >= 0) & (merged.bars < 0)
        merged = taken(merged, own, has)
        panels.append(panel)
    return merged, panels


def taken(rows: Announcements, other: Announcements, has: Bools) -> Announcements:
    """Take the marked rows from another layout of the same announcements."""
    names = ("decided_at", "features", "n_past", "bars", "moves", "settled_at")
    columns = {}
    for name in names:
        ours, theirs = getattr(rows, name), getattr(other, name)
        columns[name] = np.where(has[:, None] if ours.ndim == 2 else has, theirs, ours)
    return replace(rows, **columns)


def price_files(records: Records, folder: Path) -> Iterator[Panel]:
    """Read the prices of 2015 to 2017, point in time, and of 2018 on, survivors only."""
    crawl, members = folder / "us_daily_point_in_time_2015_2017", folder / "us_daily_sp500_2018_2023"
    if crawl.is_dir():
        told = FirstSeen(crawl / "prices_first_seen.parquet", crawl / "adj_restatements.parquet").fetch()
        with TemporaryDirectory() as home:
            yield admit(told.select(tuple(symbol for symbol in told.symbols if symbol in set(records.subjects))), Path(home))
    if members.is_dir():
        panel = File(members / "ohlcv.parquet", "sp500").fetch()
        yield panel.rows(0, int(np.searchsorted(panel.times, np.datetime64("2020-03-01"))))


def print_with_prices(rows: Announcements, panels: list[Panel]) -> None:
    """Print what prices add, whether the expected moves held, and what it was worth."""
    places = [rows.feature_names.index(name) for name in PRICE]
    has: Bools = np.asarray(np.isfinite(rows.features[:, places]).all(axis=1))
    tested = list(walk_forward(rows, (*RECORD_FEATURES, *PRICE), has))
    alone = [test for test in walk_forward(rows, RECORD_FEATURES, has) if test.year in {one.year for one in tested}]
    print_scores(alone, "2. Announcements with 60 bars of prices; earnings alone")
    print_scores(tested, "   the same announcements; earnings and prices")
    for name, tests in (("earnings alone", alone), ("earnings and prices", tested)):
        print(f"\n   {name}:")
        print_abstention(tests)
        print_moves(rows, tests)
    print_money(alone, tested, panels)


def print_moves(rows: Announcements, tested: list[Tested]) -> None:
    """Print how often the move fell within its quantiles, beside moves that know nothing of the prediction."""
    print("\nThe move from the last close before to the next: share within, mean width, pinball loss (in log return, %)")
    print("year       n     80 %   90 %   width 80 %   |move| under its 90 %   pinball   all alike")
    for test in tested:
        known = np.isfinite(test.found.moves[:, 0]) & np.isfinite(test.rows.moves)
        move, wide, size = test.rows.moves[known], test.found.moves[known], test.found.sizes[known]
        past = rows.settled_by(np.datetime64(f"{test.year}-01-01", "ns"))
        even = np.full((len(past), 3), 1 / 3)  # every lean the same: one group
        alike = Moves.of(even, past.moves, past.volatility).quantiles(even[: len(move)], test.rows.volatility[known])
        print(
            f"{test.year}  {len(move):6,}    {within(move, wide, 1):5.1%}  {within(move, wide, 0):5.1%}   "
            f"{100 * (wide[:, -2] - wide[:, 1]).mean():10.2f}   {(np.abs(move) <= size[:, -2]).mean():21.1%}   "
            f"{100 * pinball(move, wide):7.4f}   {100 * pinball(move, alike):9.4f}"
        )


def within(move: Float64, quantiles: Float64, depth: int) -> float:
    """Share of moves between a quantile and its mirror."""
    return float(((move >= quantiles[:, depth]) & (move <= quantiles[:, -1 - depth])).mean())


def pinball(move: Float64, quantiles: Float64) -> float:
    """Average the pinball loss over the levels."""
    gap, levels = move[:, None] - quantiles, np.array(LEVELS)
    return float(np.maximum(levels * gap, (levels - 1) * gap).mean())


def print_money(alone: list[Tested], tested: list[Tested], panels: list[Panel]) -> None:
    """Print what long predicted beats and short predicted misses earned, and what knowing the outcome would have."""
    sides: dict[str, list[tuple[Announcements, Float64]]] = {
        "earnings, when it speaks": [(test.rows, side(test.found.predicted)) for test in alone],
        "earnings, likeliest class": [(test.rows, side(test.found.probabilities.argmax(axis=1))) for test in alone],
        "and prices, when it speaks": [(test.rows, side(test.found.predicted)) for test in tested],
        "and prices, likeliest class": [(test.rows, side(test.found.probabilities.argmax(axis=1))) for test in tested],
        "long every one": [(test.rows, np.ones(len(test.rows))) for test in tested],
        "own rate, likeliest class": [(test.rows, side(own_rate(test).argmax(axis=1))) for test in tested],
        "outcome known beforehand": [(test.rows, side(test.rows.outcomes)) for test in tested],
    }
    markets = [Market(panel, Bars.of(panel)) for panel in panels]
    print("\nLong beats, short misses, each less the panel's mean; % an announcement, 10 bps a round trip")
    print("'close to close' asks for a fill at the very close the prediction is made at: it flatters.")
    print(f"{'':28}{'':28}       n   short    gross      net   t (net, Newey-West)")
    for who, leans in sides.items():
        for span, length in (("through it, close to close", None), *((f"next open, {n} closes", n) for n in (1, 5, 20))):
            parts = [market.earned(rows, lean, length) for rows, lean in leans for market in markets]
            gains, days, held = (np.concatenate([part[place] for part in parts]) for place in range(3))
            print(
                f"{who:28}{span:28}{len(gains):8,}   {(held < 0).mean():5.1%}  {100 * gains.mean():+7.3f}  "
                f"{100 * (gains.mean() - COST):+7.3f}  {clustered_t(gains - COST, days, length or 1):+6.2f}"
            )
    print("  16 figures are predictions: were none worth anything, one or so would still show a t beyond 2 either way;")
    print("  what long every one earns, and what the own rate earns, is no merit of the predictor")


@dataclass(frozen=True, eq=False)
class Market:
    """One panel, and its adjusted prices."""

    panel: Panel
    bars: Bars

    def earned(self, rows: Announcements, lean: Float64, length: int | None) -> tuple[Float64, Ints, Float64]:
        """Give the gain over the market of each position, the weekday it began (counted from 1970), and its side."""
        times, n = self.panel.times, len(self.panel.times)
        mine = (rows.bars >= 0) & (times[np.minimum(rows.bars, n - 1)] == rows.decided_at) & (lean != 0)
        rows, lean = rows.where(mine), lean[mine]
        place = {symbol: column for column, symbol in enumerate(self.panel.symbols)}
        column = np.array([place[symbol] for symbol in rows.told.symbols.tolist()], dtype=np.int64)
        first = rows.bars + 1
        if length is not None:  # what was said before a session is at its close, so the open after it is the next
            first = first + (rows.announced_at >= times[np.minimum(first, n - 1)] - SESSION)
        ok = (first + (length or 1) <= n) & np.isfinite(rows.moves)
        first, column, lean = first[ok], column[ok], lean[ok]
        gains = np.full(len(first), np.nan)
        for bar in np.unique(first):
            here, growth = first == bar, self.growth(bar, length)
            # Held alongside: an equal amount in every instrument, from the same price to the same close.
            gains[here] = lean[here] * (growth[column[here]] - growth[np.isfinite(growth)].mean())
        known = np.isfinite(gains)
        days = np.busday_count(np.datetime64("1970-01-01"), times[first].astype("datetime64[D]"))
        return gains[known], days[known], lean[known]

    def growth(self, bar: int, length: int | None) -> Float64:
        """Divide the close that ends a holding by the price that begins it (n_instruments,)."""
        begin = self.bars.close[bar - 1] if length is None else self.bars.open[bar]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.bars.is_traded[bar], self.bars.close[bar + (length or 1) - 1] / begin, np.nan)


def side(outcomes: Ints) -> Float64:
    """Long a beat, short a miss, nothing otherwise (n,)."""
    return np.where(outcomes == BEAT, 1.0, np.where(outcomes == MISS, -1.0, 0.0))


def clustered_t(gains: Float64, days: Ints, length: int) -> float:
    """Divide the mean by its standard error: days summed up, and days whose spans overlap counted together (Newey-West)."""
    sums = np.bincount(days - days.min(), weights=gains - gains.mean())
    variance = (sums**2).sum()
    for lag in range(1, length):
        variance += 2 * (1 - lag / length) * (sums[lag:] * sums[:-lag]).sum()
    return float(gains.mean() / (np.sqrt(variance) / len(gains)))


if __name__ == "__main__":
    main()
