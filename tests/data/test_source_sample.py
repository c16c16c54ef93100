"""The sample: real closes, with what limits them said."""

import subprocess
import sys

import numpy as np

from quantdesk.data.sources.sample import SECTORS, Sample


def test_the_sample_holds_twenty_stocks_over_thirty_three_years() -> None:
    panel = Sample().fetch()
    assert panel.shape == (8313, 20)
    assert set(panel.fields) == {"close"}
    assert np.isfinite(panel.fields["close"]).all()
    assert panel.fields["close"][0, panel.symbols.index("AAPL")] == 0.264
    assert panel.fields["close"][-1, panel.symbols.index("XOM")] == 106.627


def test_the_sample_is_stamped_at_the_new_york_close_in_winter_and_summer() -> None:
    times = Sample().fetch().times
    assert times[0] == np.datetime64("1990-01-02T21:00")
    assert np.datetime64("1990-07-02T20:00") in times


def test_every_instrument_of_the_sample_has_its_sector() -> None:
    instruments = Sample().fetch().instruments
    assert {instrument.symbol: instrument.sector for instrument in instruments} == SECTORS
    assert len(set(SECTORS.values())) == 7


def test_the_sample_says_that_it_holds_survivors_and_adjusted_closes_only() -> None:
    caveats = " ".join(Sample().fetch().caveats)
    assert "survivors only" in caveats
    assert "adjusted for splits and dividends" in caveats
    assert "fill at the next close" in caveats


def test_the_sample_is_read_without_importing_its_package() -> None:
    code = "import sys; from quantdesk.data.sources.sample import Sample; Sample().fetch(); print('skfolio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
