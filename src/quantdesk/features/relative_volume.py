"""Features that place the volume against its own means, as the distances of the price do for the close."""

from functools import partial

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import declare, logarithm, volume
from quantdesk.features.windows import window_mean


def relative_volume(bars: Bars, window: int) -> Float64:
    """Compute log(volume / mean volume of the last bars) (n_times, n_instruments); NaN without volume."""
    return logarithm(volume(bars)) - logarithm(window_mean(volume(bars), window))


FEATURES = tuple(
    declare(
        f"relative_volume_{window}",
        partial(relative_volume, window=window),
        window,
        "log volume / mean volume",
        needs=("close", "volume"),
    )
    for window in (7, 30, 90, 180)
)
