"""Features that say whether the price was bought or sold hard of late, bounded in [-1, 1]."""

from functools import partial

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.bars import Bars
from quantdesk.features.columns import close, declare, lagged, place_in_range
from quantdesk.features.windows import rows_for, window_ema


def relative_strength(bars: Bars, period: int) -> Float64:
    """Compute Wilder's relative strength index, mapped from [0, 100] to [-1, 1].

    Equal to (mean gain - mean loss) / (mean gain + mean loss), with exponential means of weight
    1 / period. Shape (n_times, n_instruments); 0 where the price stood still.
    """
    change = close(bars) - lagged(close(bars), 1)
    alpha = 1.0 / period
    net = window_ema(change, rows_for(alpha), alpha, period)
    gross = window_ema(np.abs(change), rows_for(alpha), alpha, period)
    still = gross <= 1e-15 * np.nan_to_num(close(bars))
    return np.where(still, 0.0, np.clip(net / np.where(still, 1.0, gross), -1.0, 1.0))


FEATURES = (
    *(
        declare(
            f"rsi_{period}",
            partial(relative_strength, period=period),
            rows_for(1.0 / period) + 1,
            "relative strength index in [-1, 1]: Wilder 1978",
            scaling="unit",
        )
        for period in (2, 14)
    ),
    declare(
        "stochastic_14",
        partial(place_in_range, window=14),
        14,
        "stochastic %K in [-1, 1]: Lane 1984",
        scaling="unit",
    ),
)
