"""Features of the last returns: over a few bars, over the night, within the bar."""

from quantdesk.features.algebra import log
from quantdesk.features.quotes import CLOSE, OPEN, RETURN, feature
from quantdesk.features.rolling import total

FEATURES = (
    *(feature(f"return_{window}", total(RETURN, window), "sum of log returns") for window in (1, 2, 5, 10, 20)),
    feature("overnight_gap", log(OPEN / CLOSE.lag(1)), "log open / last close"),
    feature("intraday_return", log(CLOSE / OPEN), "log close / open"),
)
