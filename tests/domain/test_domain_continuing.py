"""What counts as new in a panel, and what may have changed behind it."""

from dataclasses import replace

import numpy as np

from quantdesk.domain.continuing import n_new_bars
from quantdesk.domain.panel import Panel
from small_worlds import panel_of, random_world

NAMES = ("close", "split")


def test_the_next_view_of_the_same_arrays_has_one_new_bar() -> None:
    panel = random_world(1)
    assert n_new_bars(panel.rows(0, 10), panel.rows(1, 11), NAMES) == 1
    assert n_new_bars(panel.rows(0, 10), panel.rows(4, 14), NAMES) == 4
    assert n_new_bars(panel.rows(0, 10), panel.rows(0, 10), NAMES) == 0


def test_what_was_never_seen_or_lies_outside_is_all_new() -> None:
    panel = random_world(1)
    assert n_new_bars(None, panel.rows(0, 10), NAMES) == 10
    assert n_new_bars(panel.rows(0, 10), panel.rows(12, 20), NAMES) == 8
    assert n_new_bars(panel.rows(10, 20), panel.rows(0, 10), NAMES) == 10


def test_a_copy_may_differ_and_is_all_new() -> None:
    panel = random_world(1)
    copied = replace(panel, fields={**panel.fields, "split": panel.fields["split"].copy()})
    assert n_new_bars(panel.rows(0, 10), copied.rows(0, 11), NAMES) == 11
    assert n_new_bars(panel.rows(0, 10), copied.rows(0, 11), ("close",)) == 1
    assert n_new_bars(panel.rows(0, 10), panel.select(panel.symbols[:2]).rows(0, 11), ("close",)) == 11


def test_a_field_that_becomes_known_late_is_all_new() -> None:
    panel = panel_of([[100.0], [101.0], [102.0]])
    late = Panel(panel.times, panel.instruments, panel.fields, {"close": panel.times[:, None] + np.timedelta64(36, "h")})
    assert n_new_bars(late.rows(0, 2), late.rows(0, 3), NAMES) == 3
    assert n_new_bars(panel.rows(0, 2), panel.rows(0, 3), NAMES) == 1
