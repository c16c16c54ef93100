"""The GARCH market: its estimator finds what was planted, and its twins have tails and spells."""

import numpy as np
import pytest

from quantdesk.data.sources.synthetic import Synthetic
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel
from quantdesk.evaluation.placebo.garch import fit, garch_market
from quantdesk.evaluation.placebo.twin import Moves, mean_of
from small_worlds import days


def simulated(alpha: float, beta: float, shape: tuple[int, int], freedom: float, seed: int) -> Float64:
    random = np.random.default_rng(seed)
    shocks = random.standard_t(freedom, shape) * np.sqrt(1 - 2 / freedom)
    returns, variance = np.empty(shape), np.ones(shape[1])
    for t in range(shape[0]):
        returns[t] = np.sqrt(variance) * shocks[t]
        variance = 1 - alpha - beta + alpha * returns[t] ** 2 + beta * variance
    return returns * np.linspace(0.005, 0.03, shape[1])


@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 0.90), (0.12, 0.80)])
@pytest.mark.parametrize("shape", [(2500, 1), (800, 10)])
def test_the_estimator_recovers_what_was_planted(alpha: float, beta: float, shape: tuple[int, int]) -> None:
    found = [fit(simulated(alpha, beta, shape, freedom=12.0, seed=seed)) for seed in range(8)]
    assert np.mean([one.alpha for one in found]) == pytest.approx(alpha, abs=0.02)
    assert np.median([one.beta for one in found]) == pytest.approx(beta, abs=0.03)


def test_missing_returns_do_not_move_the_estimate_far() -> None:
    returns = simulated(0.08, 0.88, (800, 25), freedom=8.0, seed=2)
    whole = fit(returns)
    returns[np.random.default_rng(0).random(returns.shape) < 0.1] = np.nan
    assert fit(returns).alpha == pytest.approx(whole.alpha, abs=0.02)


def test_too_few_returns_are_refused() -> None:
    with pytest.raises(DataError, match="a GARCH of 5 returns"):
        fit(np.ones((5, 1)))


def test_the_twin_has_tails_and_its_markets_volatility() -> None:
    panel = Synthetic(n_instruments=20, n_days=1200, seed=7).fetch()
    of_panel, of_twins = _shape(Moves.of(panel).total), [_shape(Moves.of(garch_market(panel, seed)).total) for seed in range(6)]
    _, tail, volatility, correlation = np.mean(of_twins, axis=0)
    assert tail > 3.5
    assert volatility == pytest.approx(of_panel[2], rel=0.15)
    assert correlation == pytest.approx(of_panel[3], abs=0.1)


def test_the_twin_of_a_stormy_market_has_storms_in_it_and_in_its_instruments() -> None:
    common, own = simulated(0.2, 0.75, (1500, 1), 8.0, 1), simulated(0.2, 0.75, (1500, 6), 8.0, 2)
    close = 100.0 * np.exp(np.cumsum(2.0 * common + own, axis=0))
    panel = Panel(days(1500), tuple(Instrument(f"S{i}") for i in range(6)), {"close": close})
    echoes = []
    for seed in range(6):
        returns = Moves.of(garch_market(panel, seed)).total[1:]
        apart = np.abs(returns[:, 5] - returns[:, 4])
        echoes.append((_shape(returns)[0], np.corrcoef(apart[1:], apart[:-1])[0, 1]))
    assert (np.mean(echoes, axis=0) > 0.1).all()


def _shape(returns: Float64) -> tuple[float, float, float, float]:
    complete = returns[1:, np.isfinite(returns[1:]).all(axis=0)]
    size = np.abs(mean_of(complete))
    correlation, n = np.corrcoef(complete.T), complete.shape[1]
    return (
        float(np.corrcoef(size[1:], size[:-1])[0, 1]),
        float(np.median((complete**4).mean(axis=0) / (complete**2).mean(axis=0) ** 2)),
        float(np.median(complete.std(axis=0))),
        float((correlation.sum() - n) / (n * n - n)),
    )
