"""Commands that study a data set without trading it: scan, correlate, surprise, factors."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from quantdesk.commands.opening import Data, Json, day, load, print_json, settings
from quantdesk.domain.errors import DataError

Window = Annotated[int, typer.Option("--window", min=5, help="Bars that count as lately.")]


def scan(
    start: Annotated[str, typer.Option("--start", help="The symbol to begin with.")],
    count: Annotated[int, typer.Option("--count", help="How many symbols in all.")] = 11,
    data: Data = "sample",
    since: Annotated[str, typer.Option("--since", help="Only instruments that traded from then on, YYYY-MM-DD.")] = "",
    min_bars: Annotated[int, typer.Option("--min-bars", help="Bars that two instruments must share.")] = 252,
    exclude: Annotated[str, typer.Option("--exclude", help="Symbols to leave out, as those of a training list: A,B.")] = "",
    as_json: Json = False,
) -> None:
    """Choose instruments that move apart: from one, add again and again the least correlated with those chosen."""
    from quantdesk.console import out
    from quantdesk.data.scan import scan as choose

    first = day(since, "--since") if since else None
    left_out = tuple(symbol for symbol in exclude.split(",") if symbol)
    chosen = choose(load(data), start, count, first, min_bars, left_out)
    if as_json:
        print_json(list(chosen))
    else:
        out.print(" ".join(chosen))


def correlate(
    data: Data = "sample",
    features: Annotated[str, typer.Option("--features", help="Names or patterns, as momentum_*,rsi_14.")] = "*",
    horizons: Annotated[str, typer.Option("--horizons", help="Bars ahead, as 1,5,20.")] = "5,20",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the shuffles.")] = 0,
    shown: Annotated[int, typer.Option("--show", help="How many rows to show.")] = 25,
    as_json: Json = False,
) -> None:
    """Correlate features with what happened next, beside the best that as many features of noise would show.

    The whole of the data is read, so this describes; it does not say what could have been earned.
    """
    from quantdesk.console import out, show_table
    from quantdesk.features.correlation import correlations
    from quantdesk.features.dataset import build

    if not all(horizon.strip().isdigit() for horizon in horizons.split(",")):
        raise DataError(f"--horizons {horizons}", "bars ahead, as 5,20", "correct it")
    ahead = tuple(int(horizon) for horizon in horizons.split(","))
    rows = correlations(build(load(data), features.split(","), ahead), seed=seed)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    ordered = sorted(rows, key=lambda row: -abs(row.pearson) / row.band)
    cells = [
        (
            row.feature,
            str(row.horizon),
            f"{row.pearson:+.3f}",
            f"{row.spearman:+.3f}",
            f"{row.t:+.1f}",
            f"±{row.band:.3f}",
            "beyond noise" if row.is_beyond_noise else "",
        )
        for row in ordered[:shown]
    ]
    show_table("", ("feature", "bars ahead", "Pearson", "Spearman", "t", "noise band", ""), cells, numbers=range(1, 6))
    n_beyond = sum(row.is_beyond_noise for row in rows)
    out.print(
        f"{n_beyond} of {len(rows)} rows lie beyond what the best of that many noise features reaches in 95 % of shuffles"
    )


def surprise(
    symbols: Annotated[list[str], typer.Argument(help="Companies whose next announcement to predict.")],
    facts: Annotated[str, typer.Option("--facts", help="Earnings kept by `desk data facts --kind earnings`.")],
    expected: Annotated[Path | None, typer.Option("--expected", help="File of announcements to come, with estimates.")] = None,
    data: Annotated[str, typer.Option("--data", help="Bars, for the expected move; none by default.")] = "",
    as_json: Json = False,
) -> None:
    """Predict whether the next earnings beat, meet or miss the estimate, and by how much the price moves; or abstain.

    Surprises can be predicted a little better than by a company's own record; trading the prediction earned nothing after costs
    (docs/guides/earnings.md). The file of --expected has columns symbol, date, release_time (pre, post), eps (empty), eps_est.
    """
    import numpy as np

    from quantdesk.console import out, show_table
    from quantdesk.data import vintages
    from quantdesk.data.reports import read_earnings
    from quantdesk.domain.forecast import LEVELS
    from quantdesk.domain.records import joined
    from quantdesk.features.earnings import RECORD_FEATURES, UNREPORTED, announcements
    from quantdesk.models.surprise import Surprise

    panel = load(data) if data else None
    now = panel.now if panel else np.datetime64("now", "ns")
    told = vintages.read(settings().home, facts)
    rows = announcements(joined([told, read_earnings(expected, now)]) if expected else told, panel)
    predictor = Surprise(feature_names=RECORD_FEATURES).learn(rows.settled_by(now), seed=0)
    upcoming = rows.where((rows.outcomes == UNREPORTED) & np.isin(rows.told.symbols, symbols))
    found = predictor.predict(upcoming)
    cells = []
    for i, symbol in enumerate(upcoming.told.symbols.tolist()):
        chances = [f"{share:.0%}" if np.isfinite(share) else "–" for share in found.probabilities[i]]
        move = found.sizes[i, len(LEVELS) // 2]
        when = str(upcoming.announced_at[i].astype("datetime64[D]"))
        cells.append((symbol, when, *chances, f"{move:.1%}" if np.isfinite(move) else "–", found.reasons[i]))
    header = ("symbol", "announces", "miss", "meet", "beat", "median move", "why it abstains")
    if as_json:
        print_json([dict(zip(header, row, strict=True)) for row in cells])
        return
    show_table("", header, cells, numbers=range(2, 6))
    unknown = sorted(set(symbols) - set(upcoming.told.symbols.tolist()))
    if unknown:
        out.print(f"no announcement to come is known for {', '.join(unknown)}: name a file with --expected")
    for caveat in rows.caveats:
        out.print(f"caveat: {caveat}")


def factors(data: Data = "sample", window: Window = 63, as_json: Json = False) -> None:
    """Show what five factors earned here, which leads now, and where an equally weighted portfolio's risk comes from.

    Momentum, value, quality, volatility and liquidity, as far as the data can give them; each return is of one standard
    deviation of exposure, from cross-sectional regressions whose exposures were known the bar before.
    """
    import numpy as np

    from quantdesk.console import out, show_table
    from quantdesk.features.factor_returns import factor_returns, rotation
    from quantdesk.features.factor_risk import decompose, risk_model
    from quantdesk.features.factors import exposures

    panel = load(data)
    known = exposures(panel)
    earned = factor_returns(panel, known)
    means, leaders = rotation(earned, window)
    model = risk_model(panel.symbols, known, earned)
    alive = np.isfinite(model.exposures).all(axis=1) & np.isfinite(model.specific)
    risk = decompose(alive / alive.sum(), model)
    shares = risk.shares()
    rows = []
    for column, name in enumerate(earned.names):
        values = earned.values[np.isfinite(earned.values[:, column]), column]
        t = values.mean() / values.std(ddof=1) * np.sqrt(len(values))
        lately = means[-1, column - 1] if column else np.nanmean(earned.values[-window:, 0])
        rows.append((name, f"{1e4 * values.mean():+.2f}", f"{t:+.1f}", f"{1e4 * lately:+.2f}", f"{shares[name]:.1%}"))
    rows.append(("specific", "", "", "", f"{shares['specific']:.1%}"))
    header = ("factor", "bps a bar", "t", f"last {window} bars", "share of risk")
    if as_json:
        print_json(
            {"factors": [dict(zip(header, row, strict=True)) for row in rows], "leads": leaders[-1], "left_out": known.left_out}
        )
        return
    show_table("", header, rows, numbers=range(1, 5))
    out.print(
        f"{leaders[-1] or 'none'} leads over the last {window} bars; the factors explain {np.nanmean(earned.explained):.0%}"
    )
    for left_out in known.left_out:
        out.print(f"left out for want of data: {left_out}")
