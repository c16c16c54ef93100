"""The guide to networks: every example runs, and what it says of its inputs is so."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.features import dataset as datasets
from quantdesk.models.deep import Deep
from quantdesk.models.training import Training

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "networks.md"


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL):
        exec(block, names)
    return names


def test_every_example_of_the_guide_runs(examples: dict[str, Any]) -> None:
    assert {"model", "side_by_side", "one_after_another", "network"} <= set(examples)


def test_the_inputs_of_its_transformer_are_what_it_says_and_can_be_learned_from(examples: dict[str, Any]) -> None:
    panel = Synthetic(6, 300).fetch()
    dataset = datasets.build(panel, ("return_1", "volatility_20"), (1, 5), examples["OWN"])
    column = {name: dataset.features[:, 0, place] for place, name in enumerate(dataset.feature_names)}
    day = (dataset.times.astype("datetime64[D]").astype(np.int64) + 3) % 7 + 1
    assert (column["weekday"] == day).all()
    assert (column["weekday_in_1"] == np.where(day == 5, 1, day + 1)).all()
    taught = Deep(examples["network"], training=Training(epochs=1, batch=512), max_samples=400).fit(dataset, 0)
    assert np.isfinite(taught.importance()).all()
