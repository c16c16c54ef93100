"""Features of what a company reported: margins, earnings against estimates, and its insiders' trades.

A value is what was known at the bar: the newest report of then, in its vintage of then. One that
is missing is NaN, never 0. Amounts per share are in the units of their report.
"""

from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import volume
from quantdesk.features.facts import QUARTER, bounded, fact, over, with_change
from quantdesk.features.windows import window_mean

SMALLEST_EPS = 0.05
"""Earnings a share, in account currency, below which a surprise is no longer measured in per cent."""


def margin(bars: Bars, part: str) -> Float64:
    """Divide a part of the income statement by revenue (n_times, n_instruments), held within [-1, 1].

    NaN where revenue is not above zero. A company that loses more than its revenue stands at -1.
    """
    return bounded(over(fact(bars, part), fact(bars, "revenue")), -1.0, 1.0)


def per_share(bars: Bars, name: str) -> Float64:
    """Return an amount per share as its inverse hyperbolic sine (n_times, n_instruments).

    That is nearly the amount itself below one unit of currency, and like its logarithm far above.
    """
    return np.arcsinh(fact(bars, name))


def surprise_percent(bars: Bars) -> Float64:
    """Compare reported earnings with the estimate of the same quarter (n_times, n_instruments).

    ``(reported - estimated) / (|reported| + |estimated|)``, in [-1, 1]: half the percentage for a
    small surprise, and harmless where the estimate is near zero or negative. The denominator is
    at least twice ``SMALLEST_EPS``. The estimate is taken as reported less surprise, because the
    newest estimate may already be of the next quarter.
    """
    reported, surprise = fact(bars, "eps_reported"), fact(bars, "eps_surprise")
    size = np.abs(reported) + np.abs(reported - surprise)
    return bounded(surprise / np.maximum(size, 2.0 * SMALLEST_EPS), -1.0, 1.0)


def insider_trades(bars: Bars, name: str) -> Float64:
    """Compare units that insiders traded with a day's mean volume of the last quarter, as log(1 + ratio).

    Shape (n_times, n_instruments). Insiders count in the units of the bar, the bars' volume in
    those of their first bar: with splits in the data the fact ``unit_growth``, the units that one
    unit of the first bar has become, brings them together, and without it the value is NaN.
    """
    units = fact(bars, name)
    if "split" in bars.fields:
        units = over(units, fact(bars, "unit_growth"))
    return np.log1p(over(bounded(units, low=0.0), window_mean(volume(bars), QUARTER)))


def insider_balance(bars: Bars) -> Float64:
    """Net what insiders bought and sold, over both (n_times, n_instruments), in [-1, 1]; NaN for none."""
    bought, sold = fact(bars, "insider_acquired"), fact(bars, "insider_disposed")
    return bounded(over(bought - sold, bought + sold), -1.0, 1.0)


_MARGINS = {"gross_margin": "gross_profit", "operating_margin": "operating_income", "net_margin": "net_income"}
_PER_SHARE = {
    "eps_reported": "earnings per share as reported",
    "eps_estimated": "the newest estimate of earnings per share",
    "eps_surprise": "earnings per share less the estimate of the same quarter",
}

FEATURES = (
    *(
        feature
        for name, part in _MARGINS.items()
        for feature in with_change(name, partial(margin, part=part), f"{part} / revenue", ("close", part, "revenue"))
    ),
    *(
        feature
        for name, source in _PER_SHARE.items()
        for feature in with_change(name, partial(per_share, name=name), source, ("close", name))
    ),
    *with_change(
        "eps_surprise_percent",
        surprise_percent,
        "surprise over the size of earnings, bounded",
        ("close", "eps_reported", "eps_surprise"),
        scaling="unit",
    ),
    *(
        feature
        for name in ("insider_acquired", "insider_disposed")
        for feature in with_change(
            name,
            partial(insider_trades, name=name),
            "units traded by insiders / mean volume",
            ("close", "volume", name),
            QUARTER,
        )
    ),
    *with_change(
        "insider_balance",
        insider_balance,
        "net purchase ratio: Lakonishok & Lee 2001",
        ("close", "insider_acquired", "insider_disposed"),
        scaling="unit",
    ),
)
