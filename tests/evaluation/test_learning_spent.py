"""What learning took: heard while it lasts, recorded afterwards, and never compared."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kept_runs import kept

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.effort import Effort, Spent, count
from quantdesk.domain.ports import Forecaster
from quantdesk.domain.progress import tell_of
from quantdesk.evaluation.receipt import observed
from quantdesk.evaluation.report.record import learning, receipts
from quantdesk.evaluation.splits import Split
from quantdesk.evaluation.summary import summarise
from quantdesk.evaluation.walk_forward import walk_forward
from quantdesk.models.persistence import Persistence

EFFORT = Effort(20.0, 5000.0, 4, 2, ((0.4, 0.5),) * 4, "cuda", 1.8)


class Trained:
    """Stands for a network: trains twice, and says so."""

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        """Say half of what there is to do is done, and learn nothing."""
        tell_of()("epoch 3 of 20, loss 0.412", 5, 10)
        count(EFFORT)
        count(EFFORT)
        return Persistence().fit(dataset, seed)


def dataset(n: int = 120) -> Dataset:
    random, begins = np.random.default_rng(0), np.arange(n) + 1
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D"),
        features=random.standard_normal((n, 4, 1)).astype(np.float32),
        labels=0.01 * random.standard_normal((n, 4, 1)),
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.full((n, 4), 0.01),
        is_valid=np.ones((n, 4), dtype=bool),
        feature_names=("a",),
        needs_scaling=np.ones(1, dtype=bool),
        horizons=(1,),
        symbols=tuple("ABCD"),
    )


SPLITS = [Split(np.arange(0, stop), np.arange(stop + 1, stop + 20)) for stop in (60, 80, 100)]


def test_the_progress_of_a_fold_is_heard_as_its_share_of_all() -> None:
    heard: list[tuple[str, int, int]] = []
    walk_forward(Trained(), dataset(), SPLITS, 0, lambda *told: heard.append(told))
    assert ("learning fold 2 of 3: epoch 3 of 20, loss 0.412", 1500, 3000) in heard
    shares = [done / total for _, done, total in heard]
    assert shares == sorted(shares)


def test_every_training_of_a_fold_counts() -> None:
    spent = walk_forward(Trained(), dataset(), SPLITS, 0).spent
    assert [len(fold.trainings) for fold in spent] == [2, 2, 2]
    assert spent[0].n_epochs == 8
    assert all(fold.seconds > 0 for fold in spent)


def test_the_record_holds_what_learning_took_but_no_two_runs_are_compared_by_it(tmp_path: Path) -> None:
    run = kept(tmp_path).evaluation
    assert len(run.spent) == len(run.folds)
    busy = replace(run, spent=(Spent(41.0, (EFFORT, EFFORT)), Spent(1.0)))
    told = json.loads(json.dumps(summarise(busy, Path()), allow_nan=False))["spent"]
    assert told[0]["samples_per_second"] == 5000
    assert told[0]["gpu_hours"] == pytest.approx(40 / 3600)
    assert told[0]["devices"] == ["cuda"]
    assert told[1] == {"seconds": 1.0}
    assert observed(busy) == observed(run)


def test_the_report_shows_a_row_a_fold_where_networks_were_trained(tmp_path: Path) -> None:
    text = receipts(replace(kept(tmp_path).evaluation, spent=(Spent(41.0, (EFFORT,)), Spent(62.0, (EFFORT, EFFORT)))))
    assert text.count('<th scope="row">') == 3
    plain = text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "Learning took 103.0 s in 2 folds, the longest 62.0 s." in plain
    assert (
        '<th scope="row">Fold 2</th><td>62.0 s</td><td>8</td><td>3</td><td>0.5</td><td>5,000</td><td>cuda</td><td>0.011</td>'
        in plain
    )


def test_the_report_shows_the_epoch_that_was_kept_and_its_validation_loss() -> None:
    other = replace(EFFORT, best_epoch=0, curve=((0.4, 0.3), (0.3, 0.6)))
    unjudged = replace(EFFORT, curve=((0.4, math.nan),) * 4)
    text = learning((Spent(1.0, (EFFORT,)), Spent(1.0, (EFFORT, unjudged, other)), Spent(1.0, (unjudged,)), Spent(1.0)))
    assert '<th scope="col">Best epoch</th><th scope="col">Validation loss</th>' in text
    assert "<td>4</td><td>3</td><td>0.5</td>" in text
    assert "<td>12</td><td>1 to 3</td><td>0.3 to 0.5</td>" in text
    assert "<td>4</td><td>–</td><td>–</td>" in text


def test_without_networks_it_is_one_sentence_and_without_folds_nothing() -> None:
    assert "<table" not in learning((Spent(2.0),))
    assert "in 1 fold," in learning((Spent(2.0),))
    assert learning(()) == ""
