"""Features of the volume's path, alone and beside the price's, over one to twelve weeks."""

from collections.abc import Iterator

from quantdesk.domain.feature import Feature
from quantdesk.features.algebra import log, size
from quantdesk.features.paths import WINDOWS
from quantdesk.features.quotes import CLOSE, RETURN, VOLUME, feature
from quantdesk.features.rolling import correlation, deviation, gains, mean, total

_TURMOIL = size(CLOSE / CLOSE.lag(1) - 1.0) * VOLUME
_CHANGE = VOLUME - VOLUME.lag(1)
_LOG_CHANGE = log(VOLUME / VOLUME.lag(1))


def _alone(window: int) -> Iterator[Feature]:
    gain, loss = total(gains(_CHANGE), window), total(gains(-_CHANGE), window)
    gross = gain + loss
    yield feature(f"volume_mean_{window}", mean(VOLUME, window) / VOLUME, "mean volume / volume")
    yield feature(f"volume_deviation_{window}", deviation(VOLUME, window) / VOLUME, "deviation of volume / volume")
    yield feature(f"volume_gain_share_{window}", gain / gross, "rises of volume / absolute changes", "unit")
    yield feature(f"volume_loss_share_{window}", loss / gross, "falls of volume / absolute changes", "unit")
    yield feature(f"volume_gain_balance_{window}", (gain - loss) / gross, "rises less falls / absolute changes", "unit")


def _beside_price(window: int) -> Iterator[Feature]:
    together = correlation(CLOSE, log(VOLUME), window)
    moving = correlation(RETURN, _LOG_CHANGE, window)
    turmoil = deviation(_TURMOIL, window) / mean(_TURMOIL, window)
    yield feature(f"price_volume_correlation_{window}", together, "correlation of close and log volume", "unit")
    yield feature(f"change_correlation_{window}", moving, "correlation of log changes of close and volume", "unit")
    yield feature(f"volume_weighted_volatility_{window}", turmoil, "relative deviation of |return| * volume")


FEATURES = tuple(one for window in WINDOWS for family in (_alone, _beside_price) for one in family(window))
