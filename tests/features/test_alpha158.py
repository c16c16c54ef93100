"""The features of Alpha158: all of them, each once, from prices and volumes alone."""

from quantdesk.features.alpha158 import ALPHA158
from quantdesk.features.library import choose


def test_all_158_are_there_and_need_prices_and_volumes_only() -> None:
    features, left_out = choose(ALPHA158, ("open", "high", "low", "close", "volume"))
    assert tuple(one.name for one in features) == ALPHA158
    assert (len(set(ALPHA158)), left_out) == (158, ())
