from pathlib import Path

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.sweeping import search
from quantdesk.execution.rules import Exits, Momentum, Rule, grid
from quantdesk.registry import Trials

RULES: list[Rule] = list(grid(Momentum, bars=range(5, 65, 5), side=["both"]))


def market(seed: int = 1) -> Panel:
    return Synthetic(n_instruments=8, n_days=700, seed=seed).fetch()


def trending() -> Panel:
    # Long runs up and down, each instrument on its own: a rule that follows them earns, before and after.
    random = np.random.default_rng(5)
    n_times, n = 900, 8
    drift = np.repeat(random.choice([-0.004, 0.004], (n_times // 60, n)), 60, axis=0)
    close = 100 * np.exp(np.cumsum(drift + 0.01 * random.standard_normal((n_times, n)), axis=0))
    plain = market()
    times = np.datetime64("2015-01-01T21:00", "ns") + np.arange(n_times) * np.timedelta64(1, "D")
    return Panel(times, plain.instruments, {"close": close, "open": close, "volume": np.full(close.shape, 1e7)}, name="trends")


def test_every_rule_is_counted_and_the_best_of_noise_is_called_luck(tmp_path: Path) -> None:
    heads = []
    for seed in range(6):
        found = search(market(seed), RULES, Exits(), Plan(tmp_path / str(seed)))
        assert len(Trials(tmp_path / str(seed)).made()) == len(RULES) == found.significance.n_trials
        heads.append(found.verdict[0])
    assert all(head.startswith("no evidence") for head in heads)


def test_a_rule_that_truly_earns_is_found_and_goes_on_earning(tmp_path: Path) -> None:
    found = search(trending(), RULES, Exits(), Plan(tmp_path))
    assert found.verdict[0].startswith("worth a full evaluation")
    assert found.later_sharpes[found.best] > 1


def test_the_same_search_again_adds_trials_but_no_independent_ones(tmp_path: Path) -> None:
    first = search(market(), RULES, Exits(), Plan(tmp_path))
    again = search(market(), RULES, Exits(), Plan(tmp_path))
    assert again.significance.n_trials == 2 * len(RULES)
    assert again.significance.n_effective_trials == pytest.approx(first.significance.n_effective_trials)


def test_near_copies_of_what_was_tried_before_are_seen_to_be_copies(tmp_path: Path) -> None:
    first = search(market(), RULES, Exits(), Plan(tmp_path))
    near = list(grid(Momentum, bars=range(6, 60, 5), side=["both"]))
    second = search(market(), near, Exits(), Plan(tmp_path))
    assert second.significance.n_trials == len(RULES) + len(near)
    assert second.significance.n_effective_trials < first.significance.n_effective_trials + 0.5 * len(near)


def test_the_best_is_chosen_on_the_first_part_alone(tmp_path: Path) -> None:
    panel = market()
    cut = round(len(panel.times) * 0.7)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for name in ("open", "high", "low", "close"):
        fields[name][cut:] *= np.linspace(1.0, 3.0, len(panel.times) - cut)[:, None]
    other = Panel(panel.times, panel.instruments, fields, name=panel.name)
    found, changed = (search(one, RULES, Exits(), Plan(tmp_path / str(i))) for i, one in enumerate((panel, other)))
    assert found.best == changed.best
    np.testing.assert_array_equal(found.sharpes, changed.sharpes)
    assert not np.array_equal(found.later_sharpes, changed.later_sharpes)


def test_too_short_a_history_and_no_rule_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="12 rules over"):
        search(market().rows(0, 200), RULES, Exits(), Plan(tmp_path))
    with pytest.raises(DataError, match="0 rules"):
        search(market(), [], Exits(), Plan(tmp_path))


def test_rules_that_never_trade_are_said_not_to(tmp_path: Path) -> None:
    silent = market()
    fields = {name: np.full(silent.shape, 50.0) for name in ("open", "close")}
    found = search(Panel(silent.times, silent.instruments, fields, name="flat"), RULES[:2], Exits(), Plan(tmp_path))
    assert found.verdict == ("no evidence of an edge: none of the rules ever traded",)
