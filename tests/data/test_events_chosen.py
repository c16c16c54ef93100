"""Whoever chooses instruments may choose survivors: their departures are judged anew."""

from dataclasses import replace

import numpy as np
import pytest

from quantdesk.data.events import chosen
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from small_worlds import days


@pytest.fixture
def market() -> Panel:
    """Draw forty instruments over six years, of which the last eight leave after five."""
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (1512, 40)), axis=0))
    close[1260:, 32:] = np.nan
    instruments = tuple(Instrument(f"N{i:02d}") for i in range(40))
    return Panel(days(1512), instruments, {"close": close}, name="mine")


def test_survivors_chosen_out_of_a_whole_market_are_said_to_be_survivors(market: Panel) -> None:
    living, mixed = market.symbols[:20], market.symbols[10:]
    assert any(
        "of those chosen, no instrument leaves" in one and "survivors only" in one for one in chosen(market, living).caveats
    )
    assert not any("survivors only" in one for one in chosen(market, mixed).caveats)


def test_what_is_said_already_or_of_a_made_up_market_is_not_said_again(market: Panel) -> None:
    known = replace(market, caveats=("survivors only",))
    assert chosen(known, market.symbols[:20]).caveats == ("survivors only",)
    assert chosen(replace(market, name="synthetic-ic0-seed1"), market.symbols[:20]).caveats == market.caveats
