"""What was changed about data since: found from a sketch alone, and said in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.revision import revision
from quantdesk.evaluation.sketch import NAME, Sketch, bits_of, compare
from small_worlds import days

SHAPE = (500, 12)
PRICES = ("open", "high", "low", "close")


def market(seed: int = 0) -> Panel:
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.01, SHAPE), axis=0)), 2)
    close[200, 4] = np.nan
    fields = {name: close.copy() for name in PRICES} | {"volume": random.integers(1, 10**6, SHAPE).astype(np.float64)}
    return Panel(days(SHAPE[0]), tuple(Instrument(f"N{i:02d}") for i in range(SHAPE[1])), fields, name="market")


def scaled(panel: Panel, factor: Float64, volume: Float64 | None = None) -> Panel:
    fields = {name: values * factor if name in PRICES else values for name, values in panel.fields.items()}
    return replace(panel, fields={**fields, "volume": panel.fields["volume"] * (1.0 if volume is None else volume)})


def with_values(panel: Panel, *places: tuple[int, int, float]) -> Panel:
    close = panel.fields["close"].copy()
    for row, column, value in places:
        close[row, column] = value
    return replace(panel, fields={**panel.fields, "close": close})


def explained(old: Panel, new: Panel) -> str:
    return "\n".join(revision(Sketch.of(old), new))


def steps(*at: tuple[int, float]) -> Float64:
    """Multiply all before each row by its factor (n_times, 1)."""
    factors: Float64 = np.prod([np.where(np.arange(SHAPE[0]) < row, factor, 1.0) for row, factor in at], axis=0)
    return factors[:, None]


def only(column: int, factor: Float64) -> Float64:
    return np.where(np.arange(SHAPE[1]) == column, factor, 1.0)


def test_nothing_is_said_to_differ_where_nothing_does() -> None:
    assert compare(Sketch.of(market()), market()) == []


@pytest.mark.parametrize("row", [0, 1, 333, 499])
def test_one_changed_value_is_named_with_its_time_and_the_value_that_stood_there(row: int) -> None:
    panel = market()
    was = panel.fields["close"][row, 7]
    said = explained(panel, with_values(panel, (row, 7, was + 0.01)))
    time = panel.times[row].astype("datetime64[m]")
    assert said.count("\n") == 0
    assert said.startswith("close of N07, ")
    assert f"single values corrected, new over old {1 + 0.01 / was:.6g}; N07 at {time} was {was:.10g} and is" in said


def test_several_values_changed_each_alone_are_all_worked_out() -> None:
    panel = market()
    places = ((10, 1, 1.0), (20, 2, 2.0), (30, 3, 3.0))
    (found,) = compare(Sketch.of(panel), with_values(panel, *places))
    assert found.is_whole
    assert np.array_equal(bits_of(found.old), bits_of(panel.fields["close"][:, 1:4]))


@pytest.mark.parametrize("places", [((10, 1), (90, 1), (91, 1)), ((10, 1), (10, 5), (10, 9))])
def test_values_changed_in_one_row_or_one_column_are_worked_out(places: tuple[tuple[int, int], ...]) -> None:
    panel = market()
    (found,) = compare(Sketch.of(panel), with_values(panel, *((*place, 7.0) for place in places)))
    columns = sorted({column for _, column in places})
    assert np.array_equal(bits_of(found.old), bits_of(panel.fields["close"][:, columns]))
    assert found.n_bars == len({row for row, _ in places})


def test_values_changed_in_rows_and_columns_alike_are_never_guessed() -> None:
    panel = market()
    close = panel.fields["close"]
    new = with_values(panel, *((row, column, 7.0) for row in (10, 11, 12, 13) for column in (1, 2)))
    (found,) = compare(Sketch.of(panel), new)
    assert not found.is_whole
    kept = np.searchsorted(panel.times, found.times)
    assert np.array_equal(found.old, close[kept][:, [1, 2]])
    assert "changed between the bars that the sketch holds" in explained(panel, new)


def test_two_values_that_changed_places_are_noticed() -> None:
    panel = market()
    close = panel.fields["close"]
    assert "N03" in explained(panel, with_values(panel, (50, 3, close[51, 3]), (51, 3, close[50, 3])))


def test_a_value_taken_out_is_said_to_be_missing() -> None:
    panel = market()
    assert "and is missing" in explained(panel, with_values(panel, (50, 3, np.nan)))
    assert "was missing and is" in explained(with_values(panel, (50, 3, np.nan)), panel)


@pytest.mark.parametrize("is_rounded", [False, True])
def test_prices_multiplied_by_dividend_factors_are_adjusted_for_dividends(is_rounded: bool) -> None:
    panel = market()
    factor = steps((60, 0.995), (120, 0.99), (190, 0.994), (260, 0.99), (390, 0.985))
    new = scaled(panel, factor)
    if is_rounded:
        new = replace(new, fields={name: np.round(values, 2) for name, values in new.fields.items()})
    said = explained(panel, new)
    assert "open high low close of 12 instruments (N00, N01, N02, ...), 2020-01-06 to " in said
    assert "adjusted for dividends, new over old 0.95" in said
    assert said.count("\n") == 0
    assert "no longer" not in said
    assert "no longer adjusted for dividends" in explained(new, panel)


@pytest.mark.parametrize("ratio", [2.0, 3.0, 4.0, 0.1])
def test_a_split_adjusted_away_is_explained_by_its_factor(ratio: float) -> None:
    # The old version jumps at the split, the new one does not.
    new = market()
    past = only(5, steps((300, ratio)))
    old = scaled(new, past, 1 / past)
    said = explained(old, new)
    assert f"open high low close of N05, 2020-01-06 to {new.times[299].astype('datetime64[D]')}: adjusted for a split" in said
    assert f"new over old {1 / ratio:.6g}" in said
    assert f"volume of N05, 2020-01-06 to {new.times[299].astype('datetime64[D]')}: adjusted for a split" in said
    assert "no longer adjusted for a split" in explained(new, old)


def test_splits_of_many_instruments_at_once_are_explained_from_the_bars_kept() -> None:
    new = market()
    past = np.where(np.arange(SHAPE[1]) < 4, steps((300, 2.0)), np.where(np.arange(SHAPE[1]) < 8, steps((150, 5.0)), 1.0))
    said = explained(scaled(new, past, 1 / past), new)
    assert "close of 8 instruments (N00, N01, N02, ...)" in said
    assert "adjusted for a split" in said
    assert "restated" not in said


def test_a_special_dividend_is_no_split_where_the_volume_stands() -> None:
    panel = market()
    factor = np.where(np.arange(SHAPE[1]) < 4, steps((60, 0.99), (300, 0.5)), 1.0)
    said = explained(panel, scaled(panel, factor))
    assert "adjusted for dividends" in said
    assert "split" not in said


def test_prices_in_another_unit_are_rescaled() -> None:
    assert "rescaled" in explained(market(), scaled(market(), np.full((1, 1), 0.01)))


def test_a_field_drawn_anew_is_restated() -> None:
    panel, other = market(), market(1)
    said = explained(panel, replace(panel, fields={**panel.fields, "volume": other.fields["volume"]}))
    assert said.startswith("volume of 12 instruments")
    assert "restated" in said


def test_bars_that_are_missing_or_new_are_counted_with_their_days() -> None:
    panel = market()
    times = panel.times.astype("datetime64[D]")
    assert explained(panel.rows(0, 480), panel) == f"20 bars new at the end: {times[480]} to {times[499]}"
    assert explained(panel.rows(3, 500), panel) == f"3 bars new at the beginning: {times[0]} to {times[2]}"
    assert explained(panel, panel.rows(0, 499)) == f"1 bar missing: {times[499]}"
    without = replace(panel, times=np.delete(panel.times, 7), fields={k: np.delete(v, 7, 0) for k, v in panel.fields.items()})
    assert explained(without, panel) == f"1 bar put in between: {times[7]}"
    assert explained(panel, without) == f"1 bar missing: {times[7]}"


def test_instruments_and_fields_added_or_gone_are_named() -> None:
    panel = market()
    fewer = replace(panel.select(panel.symbols[2:]), fields={"close": panel.fields["close"][:, 2:]})
    assert explained(panel, fewer).splitlines() == ["2 instruments gone: N00, N01", "fields gone: high, low, open, volume"]
    assert explained(fewer, panel).splitlines() == ["2 instruments added: N00, N01", "fields added: high, low, open, volume"]
    assert explained(panel, panel.select(panel.symbols[::-1])) == "the instruments stand in another order"


def test_a_changed_value_is_worked_out_beside_new_bars_and_new_instruments() -> None:
    panel = market()
    old = panel.rows(0, 480).select(panel.symbols[1:])
    said = explained(old, with_values(panel, (333, 7, 1.0)))
    assert "1 instrument added: N00" in said
    assert "20 bars new at the end" in said
    assert f"N07 at {panel.times[333].astype('datetime64[m]')} was {panel.fields['close'][333, 7]:.10g} and is 1" in said


def test_a_changed_value_is_dated_where_a_missing_bar_hides_its_instrument() -> None:
    panel = market()
    new = with_values(panel, (333, 7, 1.0))
    without = replace(new, times=np.delete(new.times, 7), fields={k: np.delete(v, 7, 0) for k, v in new.fields.items()})
    missing, changed = explained(panel, without).splitlines()
    assert missing.startswith("1 bar missing")
    day = panel.times[333].astype("datetime64[D]")
    assert (
        changed == f"close of instruments that the sketch does not tell, {day}: changed between the bars that the sketch holds"
    )


def test_a_time_of_knowledge_that_was_moved_is_named() -> None:
    panel = market()
    known = np.repeat(panel.times[:, None], SHAPE[1], axis=1)
    moved = known.copy()
    moved[100, 2] += np.timedelta64(1, "h")
    old, new = (replace(panel, known_at={"volume": stamps}) for stamps in (known, moved))
    assert explained(old, new).startswith("volume known_at of N02")


def test_a_sketch_read_back_explains_the_same_and_is_small(tmp_path: Path) -> None:
    panel = market()
    path = Sketch.of(panel).write(tmp_path)
    assert path == tmp_path / NAME
    assert path.stat().st_size < 100_000
    new = with_values(panel, (333, 7, 1.0))
    assert revision(Sketch.read(tmp_path), new) == revision(Sketch.of(panel), new)
