"""Receipts: written whole, read back the same, and never edited unnoticed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kept_runs import kept

from quantdesk.domain.errors import DataError, DeskError
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.receipt import Receipt, array_digest, observed


def test_a_receipt_read_back_is_the_one_written(tmp_path: Path) -> None:
    receipt = Receipt.read(kept(tmp_path).folder)
    (tmp_path / "again").mkdir()
    receipt.write(tmp_path / "again")
    assert Receipt.read(tmp_path / "again") == receipt


def test_a_receipt_holds_the_strategys_text_and_every_choice_of_the_plan(tmp_path: Path) -> None:
    run = kept(tmp_path)
    receipt = Receipt.read(run.folder)
    assert receipt.strategy_text == (run.home / "strategies" / "mine.py").read_text()
    assert receipt.plan(run.home) == Plan(run.home, seed=3)
    assert receipt.symbols is None
    assert receipt.trials_before == 0


@pytest.mark.parametrize("edit", [{"grade": "evidence"}, {"numbers": {}}, {"trials_before": 1}, {"added": 1}])
def test_a_receipt_edited_by_hand_is_refused(edit: dict[str, object], tmp_path: Path) -> None:
    path = kept(tmp_path).folder / "receipt.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **edit}))
    with pytest.raises(DataError, match="edited after it was written"):
        Receipt.read(path.parent)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"sha256": "x", "more": 1})])
def test_a_broken_receipt_is_an_error_of_three_parts(text: str, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(text)
    with pytest.raises(DataError, match=r"receipt .*receipt\.json"):
        Receipt.read(tmp_path)


def test_a_choice_that_the_desk_no_longer_has_is_named(tmp_path: Path) -> None:
    receipt = Receipt.read(kept(tmp_path).folder)
    with pytest.raises(DeskError, match="n_wishes"):
        replace(receipt, choices={**receipt.choices, "n_wishes": 3}).plan(tmp_path)


def test_the_numbers_are_those_of_the_summary_without_seconds_and_paths(tmp_path: Path) -> None:
    run = kept(tmp_path)
    numbers, digests = observed(run.evaluation)
    assert numbers["net_sharpe"] == run.evaluation.performance.sharpe
    assert numbers["performance.n_bars"] == run.evaluation.performance.n_bars
    assert numbers["forecast_scores.0.horizon"] == 1
    assert not any(name.startswith(("seconds", "report")) for name in numbers)
    assert {"forecasts", "equity", "costs", "turnover", "fills", "importance", "equity of buy and hold"} <= set(digests)


def test_one_bit_of_one_forecast_changes_its_digest(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40, 30, 20))
    before = array_digest(values)
    values[39, 29, 19] = np.nextafter(values[39, 29, 19], 9.0)
    assert array_digest(values) != before
    assert array_digest(values.reshape(40, 600)) != array_digest(values)


def test_one_nan_is_like_another_in_a_digest() -> None:
    values = np.array([1.0, np.nan])
    other = np.array([1.0, -np.nan])
    assert values.tobytes() != other.tobytes()
    assert array_digest(values) == array_digest(other)


def test_whatever_changes_about_a_fill_changes_the_digest_of_the_fills(tmp_path: Path) -> None:
    evaluation = kept(tmp_path).evaluation
    first, *rest = evaluation.fills
    changed = [
        replace(first, time=first.time + np.timedelta64(1, "ns")),
        *(replace(first, **{name: getattr(first, name) * 2}) for name in ("order_id", "symbol", "quantity", "price")),
        replace(first, fee=first.fee + 1),
    ]
    fills = [tuple(rest), evaluation.fills, *((one, *rest) for one in changed)]
    digests = {observed(replace(evaluation, fills=some))[1]["fills"] for some in fills}
    assert len(digests) == len(fills)
