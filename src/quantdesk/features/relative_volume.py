"""Features that place the volume against its own means, as the distances of the price do for the close."""

from quantdesk.features.algebra import log
from quantdesk.features.quotes import VOLUME, feature
from quantdesk.features.rolling import mean

FEATURES = tuple(
    feature(f"relative_volume_{window}", log(VOLUME) - log(mean(VOLUME, window)), "log volume / mean volume")
    for window in (7, 30, 90, 180)
)
