import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from torch import Tensor  # noqa: E402

from quantdesk.domain.errors import StrategyError  # noqa: E402
from quantdesk.models.learning.network import Network  # noqa: E402
from quantdesk.models.networks.combined import Concatenated, Encodes, Stacked  # noqa: E402
from quantdesk.models.networks.dlinear import DLinear  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.networks.market import Market  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.networks.patchtst import PatchTST  # noqa: E402
from quantdesk.models.networks.tcn import TCN  # noqa: E402
from quantdesk.models.networks.transformer import Transformer  # noqa: E402
from quantdesk.models.networks.tsmixer import TSMixer  # noqa: E402

L = 12
READERS: list[Network] = [TCN(L, 8, layers=2), LSTM(L, 8), Transformer(L, 8, 2, 1), TSMixer(L, 1, 8)]


def windows(n: int = 5) -> Tensor:
    drawn: Tensor = torch.randn(n, L, 3, generator=torch.Generator().manual_seed(0))
    return drawn


def said(network: Network, seen: Tensor, n_outputs: int = 4) -> Tensor:
    torch.manual_seed(1)
    out: Tensor = network.build(seen.shape[2], n_outputs).eval()(seen).detach()
    return out


def test_parts_side_by_side_each_read_the_last_part_of_the_window_they_need() -> None:
    network = Concatenated((MLP(2, 8), TCN(5, 8, layers=2)), 6)
    assert network.lookback == 5
    assert said(network, windows()).shape == (5, 4)
    changed = windows()
    changed[:, : L - 5] += 1.0
    torch.testing.assert_close(said(network, changed), said(network, windows()), rtol=0, atol=0)
    changed[:, L - 5] += 1.0
    assert (said(network, changed) != said(network, windows())).any()


@pytest.mark.parametrize("first", READERS)
@pytest.mark.parametrize("last", [*READERS, PatchTST(L, 4, 2, 8, 2, 1, 8), DLinear(L, 5), MLP(L, 8)])
def test_any_network_reads_what_an_encoder_saw(first: Network, last: Network) -> None:
    network = Stacked((first, last))
    assert network.lookback == L
    assert said(network, windows()).shape == (5, 4)


@pytest.mark.parametrize("part", [part for part in READERS if not isinstance(part, TSMixer)])
def test_what_an_encoder_saw_at_a_time_depends_on_nothing_later(part: Network) -> None:
    assert isinstance(part, Encodes)
    torch.manual_seed(1)
    module, width = part.encoder(3)
    later = windows()
    later[:, 7:] += 1.0
    with torch.inference_mode():
        before, after = (module.eval()(seen) for seen in (windows(), later))
    assert before.shape == (5, L, width)
    torch.testing.assert_close(after[:, :7], before[:, :7], rtol=0, atol=1e-6)
    assert (after[:, 7:] != before[:, 7:]).any()


def test_combinations_combine() -> None:
    network = Concatenated((Stacked((READERS[0], READERS[1])), Concatenated((MLP(1, 8), READERS[2]), 8)), 8)
    assert said(network, windows()).shape == (5, 4)


def test_a_combination_with_the_market_in_it_needs_whole_times() -> None:
    alone, market = READERS[0], Market(READERS[0], 8, 2)
    assert Concatenated((alone, market)).needs_times
    assert Stacked((alone, market)).needs_times
    assert not Concatenated((alone, alone)).needs_times


def test_parts_that_cannot_be_combined_are_refused_in_words() -> None:
    with pytest.raises(StrategyError, match="has no parts"):
        Concatenated(())
    with pytest.raises(StrategyError, match="has no parts"):
        Stacked(())
    with pytest.raises(StrategyError, match=r"lookbacks of \[12, 3\]"):
        Stacked((READERS[0], MLP(3, 8)))
    with pytest.raises(StrategyError, match="MLP before another part"):
        Stacked((MLP(L, 8), READERS[0]))
