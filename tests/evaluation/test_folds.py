"""Folds side by side: the same bits, heard as they go, and only where the machine has room."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from quantdesk.compute import Compute
from quantdesk.data import store
from quantdesk.domain.ports import Model
from quantdesk.evaluation import rehearsal
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.splits import WalkForward
from quantdesk.models.training import Training
from quantdesk.strategy import load

pytest.importorskip("torch", reason="torch is not installed: pip install 'quantdesk[deep]'")
from quantdesk.models.deep import Deep
from quantdesk.models.networks.mlp import MLP


def run(home: Path, model: Model, workers: int, told: list[str]) -> Evaluation:
    panel = store.load("synthetic:n_days=700,n_instruments=6,seed=1", home)
    plan = Plan(home / str(workers), compute=Compute(workers=workers))
    return evaluate(replace(load("lstm", home), model=model), panel, plan, lambda what, _done, _total: told.append(what))[0]


def test_folds_side_by_side_find_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "ALONE_FOR", 0.0)
    told: list[str] = []
    model = Deep(MLP(lookback=5), training=Training(epochs=2))
    alone, beside = (run(tmp_path, model, workers, told) for workers in (1, 2))
    assert alone.run_id == beside.run_id
    assert alone.track.equity.tobytes() == beside.track.equity.tobytes()
    heard = told[len(told) // 2 :]
    assert any(re.match(r"learning fold \d of [2-9]: epoch \d of 2", what) for what in heard), sorted(set(heard))


def test_folds_are_learned_here_where_memory_is_short_or_a_gpu_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = store.load("synthetic:n_days=700,n_instruments=6,seed=1", tmp_path)
    dataset, plan = load("linear", tmp_path).dataset(panel), Plan(tmp_path, compute=Compute(workers=3))
    assert rehearsal._of_folds(plan, dataset).processes == 3
    monkeypatch.setattr(rehearsal, "_memory", lambda: 9.0 * dataset.features.nbytes)
    assert rehearsal._of_folds(plan, dataset).processes == 2
    monkeypatch.setattr(rehearsal, "_memory", lambda: 0.0)
    assert rehearsal._of_folds(plan, dataset).processes == 1
    monkeypatch.undo()
    monkeypatch.setattr(rehearsal, "_has_gpu", lambda: True)
    assert rehearsal._of_folds(plan, dataset).processes == 1


def test_who_evaluates_may_say_how_history_is_cut(tmp_path: Path) -> None:
    panel = store.load("synthetic:n_days=500,n_instruments=6,seed=1", tmp_path)
    plan = Plan(tmp_path, train_bars=300, test_bars=80)
    assert plan.walk(500) == WalkForward(300, 80, True, 5)
    assert Plan(tmp_path).walk(500) == WalkForward.fitting(500)
    assert Plan(tmp_path, train_bars=900).walk(3000) == WalkForward(900, 263, True, 5)
    evaluation = evaluate(load("linear", tmp_path), panel, plan)[0]
    assert [str(first)[:10] for _, _, first, _ in evaluation.folds] == [str(panel.times[row])[:10] for row in (300, 380, 460)]
    other = evaluate(load("linear", tmp_path), panel, replace(plan, test_bars=100))[0]
    assert other.run_id != evaluation.run_id
