"""Features of the whole market, equal for all instruments of a bar, and of how each moves with it."""

from math import sqrt as root

from quantdesk.features.algebra import above, across, ratio, sqrt
from quantdesk.features.quotes import CLOSE, RETURN, feature
from quantdesk.features.rolling import correlation, deviation, mean, products, squares, total

MARKET = across("average", RETURN)
"""Mean log return of the instruments traded."""

BETA = ratio(products(RETURN, MARKET, 60) * 1e4, squares(MARKET, 60) * 1e4)
"""Slope of an instrument's returns on the market's over 60 bars."""

_ADVANCE = across("average", above(RETURN, 0.0) - above(-RETURN, 0.0))
_OWN = correlation(RETURN, MARKET, 60)

FEATURES = (
    *(
        feature(
            f"breadth_{window}",
            across("average", above(CLOSE / mean(CLOSE, window) - 1.0, 0.0)),
            f"share of instruments above their mean of {window} bars",
            "unit",
        )
        for window in (50, 200)
    ),
    feature("advance_decline", _ADVANCE, "share of instruments that rose less share that fell", "unit"),
    feature("advance_decline_10", mean(_ADVANCE, 10), "mean advance less decline", "unit"),
    feature("market_return_5", total(MARKET, 5), "mean log return of the instruments"),
    feature("market_return_20", total(MARKET, 20), "mean log return of the instruments"),
    feature("market_volatility_20", deviation(MARKET, 20), "standard deviation of the market's returns"),
    feature(
        "market_volatility_regime",
        ratio(deviation(MARKET, 20), deviation(MARKET, 250)),
        "volatility of a month over that of a year",
    ),
    feature(
        "market_trend_regime",
        ratio(total(MARKET, 200), deviation(MARKET, 200) * root(200)),
        "time-series momentum of the market: Moskowitz, Ooi & Pedersen 2012",
    ),
    feature("trend_regime", mean(CLOSE, 50) / mean(CLOSE, 200) - 1.0, "mean of 50 bars over mean of 200, less 1"),
    feature("beta_60", BETA, "slope on the mean return: Sharpe 1964"),
    feature("market_correlation_60", _OWN, "correlation with the mean return", "unit"),
    feature(
        "own_volatility_60",
        deviation(RETURN, 60) * sqrt(1.0 - _OWN * _OWN),
        "volatility not explained by the market: Ang, Hodrick, Xing & Zhang 2006",
    ),
)
