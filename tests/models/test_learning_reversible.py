"""Windows standardised each by itself: the answer moves and stretches with its series."""

import pytest

torch = pytest.importorskip("torch")

from quantdesk.domain.errors import StrategyError  # noqa: E402
from quantdesk.models.learning.reversible import Reversible  # noqa: E402
from quantdesk.models.networks.tsmixer import TSMixer  # noqa: E402


def _module(n_features: int, n_outputs: int):  # type: ignore[no-untyped-def]
    torch.manual_seed(3)
    return Reversible(TSMixer(12, 1, 8, forecasts_itself=True)).build(n_features, n_outputs).eval()


def test_each_feature_stretched_and_moved_stretches_and_moves_its_own_futures_alone() -> None:
    module, windows = _module(2, 6), torch.randn(5, 12, 2)
    stretch, move = torch.tensor([3.0, 0.5]), torch.tensor([-7.0, 100.0])
    before = module(windows).unflatten(-1, (2, 3))
    after = module(windows * stretch + move).unflatten(-1, (2, 3))
    assert torch.allclose(after, before * stretch[:, None] + move[:, None], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(before[:, 0], before[:, 1])


def test_outputs_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(StrategyError, match="4 outputs for 3 features"):
        Reversible(TSMixer(12)).build(3, 4)


def test_a_mixer_whose_series_forecast_themselves_has_one_head_for_all() -> None:
    module = TSMixer(12, 1, 8, forecasts_itself=True).build(4, 20)
    assert module(torch.randn(2, 12, 4)).shape == (2, 20)
    heads = [layer for layer in module.children() if isinstance(layer, torch.nn.Linear)]
    assert [head.weight.shape for head in heads] == [(5, 12)]
