from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor, nn  # noqa: E402

from quantdesk.models.learning.losses import RankIC  # noqa: E402
from quantdesk.models.learning.train import train  # noqa: E402
from quantdesk.models.learning.windows import Windows  # noqa: E402
from quantdesk.models.networks.market import Market  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

LOOKBACK = 6


def answers(windows: Tensor) -> Tensor:
    torch.manual_seed(0)
    module = Market(TCN(LOOKBACK, 8, layers=2), 8, 2).build(3, 2).double().eval()
    out: Tensor = module(windows).detach()
    return out


def market(n: int = 9) -> Tensor:
    drawn: Tensor = torch.randn(n, LOOKBACK, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return drawn


def test_another_order_of_the_instruments_gives_each_the_same_answer() -> None:
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(answers(market()[order]), answers(market())[order], rtol=0, atol=1e-12)


def test_an_instrument_hears_of_the_others() -> None:
    other = market()
    other[0] += 1.0
    assert (answers(other)[1:] - answers(market())[1:]).abs().min() > 1e-6


def test_an_instrument_of_which_nothing_is_known_changes_no_other() -> None:
    absent = market()
    absent[4] = 0.0
    there = torch.arange(9) != 4
    torch.testing.assert_close(answers(absent)[there], answers(market()[there]), rtol=0, atol=1e-12)
    assert torch.isfinite(answers(absent)).all()


def test_a_market_of_which_nothing_is_known_still_gets_an_answer() -> None:
    assert torch.isfinite(answers(torch.zeros(3, LOOKBACK, 3, dtype=torch.float64))).all()


def test_a_lone_instrument_gets_an_answer() -> None:
    assert torch.isfinite(answers(market(1))).all()


class Plain(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, windows: Tensor) -> Tensor:
        out: Tensor = self.inner(windows)
        return out[..., None]


def relative_world() -> Windows:
    # What an instrument does is the sign of its own input times the mean of the market's: none can tell alone.
    random = np.random.default_rng(4)
    features = random.standard_normal((180, 12, 2)).astype(np.float32)
    features[..., 1] += random.choice([-1.0, 1.0], (180, 1)).astype(np.float32) * 0.7
    side = np.sign(features[..., 1].mean(axis=1, keepdims=True))
    table = torch.from_numpy(features.reshape(-1, 2))
    return Windows(table, 12, 1, torch.from_numpy((features[..., 0] * side).reshape(-1, 1)), torch.arange(180 * 12))


def last_loss(network: Market | MLP) -> float:
    every = relative_world()
    taught, judged = (
        replace(every, targets=every.targets[part], rows=every.rows[part]) for part in (slice(0, 1440), slice(1440, None))
    )
    torch.manual_seed(0)
    module = Plain(network.build(2, 1))
    training = Training(epochs=6, batch=1, accumulate=2, learning_rate=1e-2, patience=0)
    return train(module, taught, judged, RankIC(), training, seed=0).curve[-1][1]


def test_what_only_the_whole_market_tells_is_learned_by_attention_alone() -> None:
    assert last_loss(Market(MLP(1, 16, 1), 16, 2)) < 0.2
    assert last_loss(MLP(1, 16, 2)) > 0.35
