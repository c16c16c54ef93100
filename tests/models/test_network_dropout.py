import pytest

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.models.learning.dropout import Dropout  # noqa: E402


@pytest.mark.parametrize("share", [0.1, 0.3, 0.75])
def test_the_share_left_out_is_the_one_asked_for_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    out = Dropout(share)(torch.ones(1001, 999))
    assert float((out == 0).double().mean()) == pytest.approx(share, abs=0.002)
    torch.testing.assert_close(out[out != 0], torch.full_like(out[out != 0], 1 / (1 - share)))


def test_neighbours_are_left_out_independently() -> None:
    torch.manual_seed(0)
    out = (Dropout(0.5)(torch.ones(400_000)) == 0).double() - 0.5
    for lag in (1, 2, 3, 4):
        assert abs(float((out[lag:] * out[:-lag]).mean())) < 0.002


def test_the_gradient_passes_where_the_unit_was_kept() -> None:
    torch.manual_seed(0)
    units = torch.ones(50, 3, requires_grad=True)
    out = Dropout(0.4)(units)
    out.sum().backward()
    assert units.grad is not None
    torch.testing.assert_close(units.grad, out.detach())


def test_nothing_is_left_out_when_forecasting_or_when_the_share_is_zero() -> None:
    units = torch.randn(7, 5)
    assert torch.equal(Dropout(0.5).eval()(units), units)
    assert torch.equal(Dropout(0.0)(units), units)
