"""Write the page on which networks and simple models stand side by side, from what the contests measured."""

from typing import Any

HEAD = """# Networks beside simple models

Written by `benchmarks/networks_compared.py` from what it measured: not to be edited by hand.

Every model reads the same features, learns from the same samples at the times at which the strategy decides, and feeds the
same rule (long the best fifth, short the worst), sizing, calendar, limits and costs. The models are those of
`networks_compared.py`, small and untuned; nothing was chosen on these markets. *Rank IC* is the correlation of ranks of
forecast and outcome across instruments, averaged over decisions; *error* the squared error of relative returns over that of
saying nothing (below 1 is knowledge); *in the set* whether the data can still hold the model for the best (Hansen, Lunde &
Nason 2011, 90 %). *Deflated* is the probability that the median run's Sharpe ratio is above what the best of so many useless
runs would show. Ranges are over seeds; *seconds* are of one core for one fold. The last market is made up, with an edge
planted in its momentum: what finds nothing there cannot be expected to find anything elsewhere.
"""


def page(contests: list[dict[str, Any]]) -> str:
    """Render one section a contest."""
    return "\n".join([HEAD, *[_section(one) for one in contests]])


def _section(one: dict[str, Any]) -> str:
    return "\n".join([_title(one), "", *_table(one["models"]), "", _judgement(one), ""])


def _title(one: dict[str, Any]) -> str:
    stocks = "made-up stocks with a planted edge" if one["data"].startswith("synthetic") else "US stocks"
    bars = "daily bars" if one["market"] == "daily" else "5-minute bars"
    costs = one["costs"].removeprefix("Costs(").removesuffix(")").replace("=", " ")
    return (
        f"## {one['n_instruments']} {stocks}, {bars}\n\n"
        f"{one['first']} to {one['last']} out of sample, {one['n_decisions']:,} {one['rebalance']} decisions, "
        f"{one['folds']} folds; horizon {one['horizon']} bars; {one['n_features']} features, windows of {one['lookback']} "
        f"bars; {one['samples']:,} samples a fold, {one['epochs']} epochs. Costs: {costs}."
    )


def _table(models: list[dict[str, Any]]) -> list[str]:
    heads = ("model", "rank IC", "t", "error", "in the set", "net Sharpe", "gross", "turnover a year", "deflated", "seconds")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(_cells(row)) + " |" for row in models]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["model"],
        _spread(row["rank_ic"], 4),
        f"{row['rank_ic_t']:.1f}",
        f"{row['loss_over_nothing']:.4f}",
        "yes" if row["in_set"] else "no",
        _spread(row["sharpe"], 2),
        f"{row['gross_sharpe']:.2f}",
        f"{row['turnover']:.0f}",
        f"{row['deflated_sharpe']:.2f}",
        f"{row['seconds_a_fold']:.1f}",
    )


def _spread(values: list[float], digits: int) -> str:
    middle = f"{values[len(values) // 2]:.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


def _judgement(one: dict[str, Any]) -> str:
    best, by_noise = one["best"], one["noise_best"]
    found = one["best_deflated"] > 0.95 and one["superiority"] < 0.05
    return (
        f"{'Evidence of an edge' if found else 'No evidence of an edge'}: the best of {one['n_runs']} runs "
        f"(worth {one['n_effective']:.1f} independent ones) is {best['model']}, seed {best['seed']}, with a net Sharpe ratio "
        f"of {best['sharpe']:.2f}, where noise would bring the best to {by_noise:.2f}; deflated {one['best_deflated']:.2f}. "
        f"Held equally, the market made {one['market_sharpe']:.2f}. White's reality check against it, market moves apart: "
        f"p {one['superiority']:.2f}. The run chosen on one half of history is below the median on the other with a "
        f"probability of {one['overfitting']:.2f} (noise alone: {one['overfitting_noise'][0]:.2f} to "
        f"{one['overfitting_noise'][1]:.2f}). {_set(one)}"
    )


def _set(one: dict[str, Any]) -> str:
    kept = [row["model"] for row in one["models"] if row["in_set"]]
    said = "Saying nothing is in the set of best forecasts too" if one["nothing_in_set"] else "Saying nothing is not in the set"
    beside = f", beside {', '.join(kept)}." if kept else "."
    return said + beside
