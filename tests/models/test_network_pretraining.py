import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor  # noqa: E402

from quantdesk.domain.arrays import Float64  # noqa: E402
from quantdesk.domain.dataset import Dataset  # noqa: E402
from quantdesk.domain.effort import counting  # noqa: E402
from quantdesk.domain.errors import StrategyError  # noqa: E402
from quantdesk.domain.ports import Model  # noqa: E402
from quantdesk.domain.progress import telling  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.fitting import Scaler  # noqa: E402
from quantdesk.models.learning.losses import SquaredError  # noqa: E402
from quantdesk.models.learning.pretraining import Pretraining, Reconstruction  # noqa: E402
from quantdesk.models.learning.scaled import Scaled  # noqa: E402
from quantdesk.models.learning.windows import Windows  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402
from quantdesk.models.tuned import Tuned  # noqa: E402

N_NAMES, N_TIMES, LOOKBACK = 8, 60, 12
NETWORK = PatchTST(LOOKBACK, 3, 3, 8, 2, 1, 16, 0.0)
TRAINING = Training(epochs=2, batch=64, learning_rate=5e-3, patience=0, device="cpu")


def module() -> Scaled:
    torch.manual_seed(0)
    return Scaled(NETWORK, Scaler(np.zeros(2), np.ones(2), np.full(2, np.inf)), 1, 1)


def few_labels() -> Windows:
    time, phase = np.arange(N_TIMES)[:, None, None], np.arange(N_NAMES)[None, :, None]
    waves = np.sin(2 * np.pi * time / 6 + phase + np.array([0.0, 1.0])).astype(np.float32)
    rows = torch.arange((N_TIMES - 3) * N_NAMES, (N_TIMES - 1) * N_NAMES)
    return Windows(torch.from_numpy(waves.reshape(-1, 2)), N_NAMES, LOOKBACK, torch.zeros(len(rows), 1), rows)


def weights(of: Scaled) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in of.state_dict().items()}


def test_hidden_patches_are_learned_from_the_others() -> None:
    effort = Pretraining().reconstruct(module(), few_labels(), replace(TRAINING, epochs=40), seed=0)
    assert effort.curve[-1][0] < 0.3, "the variance of what is hidden is 0.5"


def test_windows_without_a_label_teach_too_but_none_after_the_last_sample() -> None:
    poisoned = few_labels()
    poisoned.table[-N_NAMES:] = torch.inf
    fresh, other = module(), module()
    for learner, samples in ((fresh, few_labels()), (other, poisoned)):
        Pretraining().reconstruct(learner, samples, TRAINING, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(weights(fresh).values(), weights(other).values(), strict=True))
    shorter = few_labels()
    shorter.table[: 20 * N_NAMES] = torch.nan
    less = module()
    Pretraining().reconstruct(less, shorter, TRAINING, seed=0)
    assert not torch.equal(weights(less)["inner.embed.weight"], weights(fresh)["inner.embed.weight"])


def test_a_hidden_patch_is_not_seen() -> None:
    learner = module()
    hides = Reconstruction(learner, Pretraining(hidden_share=0.999999), seed=0).eval()
    windows = torch.randn(5, LOOKBACK, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        up, down, middle = (hides(sign * windows)[:, 0, 0] for sign in (1.0, -1.0, 0.0))
    # Squared distances to one and the same reconstruction, whatever the window.
    torch.testing.assert_close(up + down - 2 * middle, 2 * (windows**2).mean(dim=(1, 2)))


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again, other = module(), module(), module()
    for learner, seed in ((first, 1), (again, 1), (other, 2)):
        Pretraining(epochs=1, probing_epochs=1)(learner, few_labels(), None, SquaredError(), TRAINING, seed)
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(again).values(), strict=True))
    assert not torch.equal(weights(first)["inner.embed.weight"], weights(other)["inner.embed.weight"])


def test_the_head_learns_alone_before_everything_does() -> None:
    seen: list[bool] = []
    learner = module()

    def tell(what: str, done: int, total: int) -> None:
        seen.append(learner.inner.embed.weight.requires_grad)  # type: ignore[union-attr, arg-type]

    with telling(tell):
        Pretraining(epochs=1, probing_epochs=1)(learner, few_labels(), None, SquaredError(), TRAINING, 0)
    assert seen[0]
    assert False in seen
    assert seen[-1]
    assert all(weight.requires_grad for weight in learner.parameters())


def test_patches_that_overlap_and_shares_outside_their_range_are_refused() -> None:
    with pytest.raises(StrategyError, match=r"stride is 2 and its patch 3"):
        Deep(replace(NETWORK, stride=2), pretraining=Pretraining())
    for share in (0.0, 1.0):
        with pytest.raises(StrategyError, match="hidden_share"):
            Pretraining(hidden_share=share)


def dataset() -> Dataset:
    random = np.random.default_rng(2)
    features = random.standard_normal((120, 6, 2)).astype(np.float32)
    labels = 0.01 * (random.standard_normal((120, 6, 1)) + features[:, :, :1])
    begins = np.arange(120) + 1
    return Dataset(
        times=np.datetime64("2001-01-01", "ns") + np.arange(120) * np.timedelta64(1, "D"),
        features=features,
        labels=labels,
        begins=begins,
        ends=begins[:, None] + 1,
        scale=np.full((120, 6), 0.01),
        is_valid=np.ones((120, 6), dtype=bool),
        feature_names=("a", "b"),
        needs_scaling=np.ones(2, dtype=bool),
        horizons=(1,),
        symbols=tuple("ABCDEF"),
    )


DOOR = Deep(NETWORK, None, TRAINING, pretraining=Pretraining(epochs=1, probing_epochs=1))


def quantiles(model: Model, seed: int = 0) -> Float64:
    return model.fit(dataset().rows(0, 90), seed).forecast(dataset()).quantiles


def test_deep_opens_the_door_to_it_and_owes_what_every_model_owes() -> None:
    assert pickle.loads(pickle.dumps(DOOR)) == DOOR
    said = quantiles(DOOR)
    np.testing.assert_array_equal(quantiles(DOOR), said)
    assert (quantiles(DOOR, seed=1) != said).any()
    assert (quantiles(replace(DOOR, pretraining=None)) != said).any()
    forecaster = DOOR.fit(dataset().rows(0, 90), 0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(forecaster)).forecast(dataset()).quantiles, said)


def test_every_stage_is_heard_and_counted() -> None:
    heard: list[str] = []
    with telling(lambda what, done, total: heard.append(f"{what} {done}/{total}")), counting() as efforts:
        DOOR.fit(dataset(), 0)
    assert heard[0].startswith("stage 1 of 3: epoch 1 of 1 0/")
    assert any("stage 2 of 3: epoch 1 of 1" in words for words in heard)
    assert any("stage 3 of 3: epoch 2 of 2, loss" in words for words in heard)
    assert [effort.n_epochs for effort in efforts] == [1, 1, 2]


def test_a_tuned_model_starts_from_a_pretrained_network() -> None:
    model = Deep(NETWORK, None, replace(TRAINING, validation_share=0.2), pretraining=DOOR.pretraining)
    assert (quantiles(Tuned(model)) != quantiles(Tuned(replace(model, pretraining=None)))).any()


def test_other_networks_are_refused() -> None:
    with pytest.raises(StrategyError, match="pre-training was asked of MLP"):
        Deep(MLP(LOOKBACK), pretraining=Pretraining())
    with pytest.raises(StrategyError, match=r"Pretraining\.epochs is 0"):
        Pretraining(epochs=0)
