"""Every choice of every model, network, loss and training refuses nonsense when it is written down."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk import models  # noqa: E402
from quantdesk.domain.errors import StrategyError  # noqa: E402
from quantdesk.domain.ports import Model  # noqa: E402
from quantdesk.models.adaptation import Adaptation, Tuning  # noqa: E402
from quantdesk.models.average import Average  # noqa: E402
from quantdesk.models.conformal import Conformal  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.distilled import Distilled  # noqa: E402
from quantdesk.models.elastic_net import ElasticNet  # noqa: E402
from quantdesk.models.grinold import Grinold  # noqa: E402
from quantdesk.models.learning.losses import Direction, Huber, MultiTask, SignErrorRatio, SignPenalised  # noqa: E402
from quantdesk.models.learning.pretraining import Pretraining  # noqa: E402
from quantdesk.models.learning.reversible import Reversible  # noqa: E402
from quantdesk.models.lightgbm import LightGBM  # noqa: E402
from quantdesk.models.maml import MetaLearned  # noqa: E402
from quantdesk.models.multiclass import BoostedTrees, Logistic  # noqa: E402
from quantdesk.models.networks.combined import Concatenated, Stacked  # noqa: E402
from quantdesk.models.networks.dlinear import DLinear  # noqa: E402
from quantdesk.models.networks.gru import GRU  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.market import Market  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.networks.tft import TFT  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.networks.tsmixer import TSMixer  # noqa: E402
from quantdesk.models.persistence import Persistence  # noqa: E402
from quantdesk.models.ridge import Ridge  # noqa: E402
from quantdesk.models.seeds import Seeds  # noqa: E402
from quantdesk.models.surprise import Surprise  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402
from quantdesk.models.tuned import Tuned  # noqa: E402
from quantdesk.models.xgboost import XGBoost  # noqa: E402

NETWORKS = (
    Concatenated((MLP(), TCN())), DLinear(), GRU(), LSTM(), MLP(), Market(MLP()), PatchTST(), Reversible(MLP()),
    Stacked((TCN(), LSTM())), TCN(), TFT(), TSMixer(), Transformer(),
)  # fmt: skip
MODELS = (
    Average((Ridge(),)), Conformal(Ridge()), Deep(MLP()), Distilled(Ridge(), MLP()), ElasticNet(), Grinold("a"), LightGBM(),
    MetaLearned(MLP()), Persistence(), Ridge(), Seeds(Ridge()), Tuned(Deep(MLP())), XGBoost(),
)  # fmt: skip
OTHERS = (
    Adaptation(), BoostedTrees(), Direction(), Huber(), Logistic(), MultiTask(), Pretraining(), SignErrorRatio(),
    SignPenalised(), Surprise(), Training(), Tuning(),
)  # fmt: skip
ALL: tuple[Any, ...] = (*NETWORKS, *MODELS, *OTHERS)

ZERO_IS_SENSE = {
    *("Conformal.gamma", "Conformal.window", "Distilled.alpha", "ElasticNet.l1_share", "ElasticNet.penalty", "Grinold.ic"),
    *("Logistic.ridge", "MultiTask.direction", "MultiTask.size", "MultiTask.volatility", "Ridge.penalty"),
    *("SignPenalised.penalty", "Surprise.min_past"),
    *("Training.checkpoint_seconds", "Training.patience", "Training.price_per_hour", "Training.validation_share"),
    "Training.weight_decay",
}
MINUS_ONE_IS_SENSE = {"Grinold.ic", "Grinold.sign"}
WRONG: dict[Any, tuple[Any, ...]] = {
    int: (-1, 0, 1.5, float("nan"), "3", True, None),
    float: (-1, 0, float("nan"), "0.1", True, None),
    bool: ("no", 1, None),
    str: (5, None),
    tuple: ("ab", 5, None),
    Literal: ("nonsense", 1, None),
}
VERBS = ("fit", "build", "learn", "start", "__post_init__")
"""What a choice can do, other than what was learned."""

MISPLACED = (5, "Ridge", Ridge, None, Path())


def cases() -> Iterator[tuple[Any, str, Any]]:
    for choices in ALL:
        for field in fields(choices):
            name = f"{type(choices).__name__}.{field.name}"
            wrong = WRONG.get(field.type, WRONG.get(get_origin(field.type), MISPLACED))
            for value in wrong:
                is_sense = (value == 0 and field.name == "dropout") or (name in ZERO_IS_SENSE and value == 0)
                is_sense |= name in MINUS_ONE_IS_SENSE and value == -1
                is_sense |= value is None and field.name in ("loss", "pretraining", "checkpoint")
                is_sense |= name == "Training.checkpoint" and isinstance(value, str | Path)
                if not is_sense or isinstance(value, bool):
                    yield choices, field.name, value


@pytest.mark.parametrize(
    ("choices", "name", "value"), [pytest.param(*case, id=f"{type(case[0]).__name__}-{case[1]}-{case[2]}") for case in cases()]
)
def test_nonsense_is_refused_in_three_parts(choices: Any, name: str, value: Any) -> None:
    with pytest.raises(StrategyError, match=type(choices).__name__) as caught:
        replace(choices, **{name: value})
    assert all(part.strip() for part in caught.value.args)
    assert len(caught.value.args) == 3


def test_every_kind_of_choice_has_an_example() -> None:
    folder, found = Path(models.__path__[0]), set()
    files = [*folder.glob("*.py"), *(folder / "networks").glob("*.py"), folder / "learning/losses.py"]
    for path in files:
        module = import_module(".".join((models.__name__, *path.relative_to(folder).with_suffix("").parts)))
        for kind in vars(module).values():
            is_own = isinstance(kind, type) and kind.__module__ == module.__name__ and is_dataclass(kind)
            if is_own and fields(kind) and any(hasattr(kind, verb) for verb in VERBS):
                found.add(kind)
    assert found <= {type(choices) for choices in ALL}


def test_the_loss_and_the_training_are_told_apart() -> None:
    with pytest.raises(StrategyError, match=r"Deep\.loss is Training\(\.\.\.\)") as caught:
        Deep(LSTM(), Training())  # type: ignore[arg-type]
    assert "training=Training(...)" in caught.value.action


def test_text_is_taken_for_the_path_of_a_checkpoint() -> None:
    assert Training(checkpoint="x.pt").checkpoint == Path("x.pt")  # type: ignore[arg-type]
    assert Training(checkpoint=Path("x.pt")).checkpoint == Path("x.pt")


@dataclass(frozen=True)
class Own(LSTM):
    """An LSTM with a choice of its own, of which only its author knows what it may be."""

    n_skipped: int = 0


def test_what_others_derive_is_held_to_what_was_declared_here_alone() -> None:
    assert Own().n_skipped == 0
    with pytest.raises(StrategyError, match=r"Own\.hidden is 0"):
        Own(hidden=0)


@pytest.mark.parametrize(
    "columns",
    [
        {"known": ("weekday", "weekday_in_1")},
        {"categories": ("sector", 11)},
        {"categories": (("sector", 0),)},
        {"categories": (("sector", 2.5),)},
        {"static": "sector"},
    ],
)
def test_columns_of_a_tft_that_lack_a_pair_of_brackets_or_a_count_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(StrategyError, match=r"TFT\.|categories of"):
        TFT(**columns)


@pytest.mark.parametrize("models_", [(LSTM(),), (Ridge,), ("ridge",)])
def test_an_average_of_something_else_than_models_is_refused(models_: tuple[Model, ...]) -> None:
    with pytest.raises(StrategyError, match=r"Average\.models"):
        Average(models_)
