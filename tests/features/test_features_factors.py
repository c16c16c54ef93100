"""Exposures to five factors, what the factors earned, and where a portfolio's risk comes from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feature_worlds import panel_of, random_fields, same_bits, with_events

from quantdesk.data.sources.sample import Sample
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError
from quantdesk.domain.panel import Panel
from quantdesk.features.factor_returns import FactorReturns, equal_weight_market, factor_returns, rotation
from quantdesk.features.factor_risk import RiskModel, decompose, risk_model
from quantdesk.features.factors import Exposures, exposures, standardised

MACRO = Path(__file__).resolve().parents[2] / "../shared/data/macro"
ALL = ("momentum", "value", "quality", "volatility", "liquidity")


def _fields(n_instruments: int = 20, seed: int = 1) -> dict[str, Float64]:
    draw = np.random.default_rng([seed, 5])
    fields = random_fields(420, n_instruments, seed)
    for name in ("eps_reported", "net_income", "revenue", "operating_cash_flow", "total_assets"):
        fields[name] = np.repeat(draw.lognormal(1, 1, (7, n_instruments)), 60, axis=0)
    return fields


def _planted(market: float, factor: float, noise: float = 0.0, n: int = 20) -> tuple[Panel, Exposures]:
    """Let one factor and the market drive the returns; exposures change from bar to bar."""
    draw = np.random.default_rng(4)
    leant = draw.normal(0, 1, (300, n, 1))
    returns = np.zeros((300, n))
    returns[1:] = market + factor * leant[:-1, :, 0] + noise * draw.normal(0, 1, (299, n))
    panel = panel_of(close=50.0 * np.cumprod(1.0 + returns, axis=0))
    return panel, Exposures(("tilt",), leant, np.full((300, n), np.nan), ())


def _model(seed: int = 3, n: int = 8, k: int = 6) -> RiskModel:
    draw = np.random.default_rng(seed)
    root = draw.normal(0, 0.01, (k, k))
    leant = np.concatenate([np.ones((n, 1)), draw.normal(0, 1, (n, k - 1))], axis=1)
    names = ("market", *ALL)
    return RiskModel(names, tuple(f"S{i}" for i in range(n)), leant, root @ root.T, draw.uniform(1e-5, 1e-3, n))


def test_all_five_factors_are_given_where_the_data_has_their_facts() -> None:
    known = exposures(panel_of(**_fields()))
    assert known.names == ALL
    assert known.left_out == ()
    assert np.isfinite(known.values[-1, 0]).all()


def test_a_factor_whose_facts_are_missing_is_left_out_and_said_so() -> None:
    known = exposures(panel_of(close=_fields()["close"]))
    assert known.names == ("momentum", "volatility")
    assert known.left_out == (
        "value: the data has no eps_reported",
        "quality: the data has no net_income, revenue",
        "liquidity: the data has no volume",
    )


def test_exposures_are_standardised_across_the_instruments_traded() -> None:
    panel = panel_of(**_fields())
    values = exposures(panel).values[300:]
    np.testing.assert_allclose(np.nanmean(values, axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(values, axis=1), 1.0)
    assert np.isnan(values[~np.isfinite(panel.fields["close"][300:])]).all()


def test_one_wild_value_is_cut_and_does_not_flatten_the_others() -> None:
    values = np.append(np.linspace(-1, 1, 30), 1e6)[None, :]
    scores = standardised(values, np.ones((1, 31), dtype=np.bool_))
    assert 3 < scores.max() < 6
    assert np.isnan(standardised(values[:, :4], np.ones((1, 4), dtype=np.bool_))).all()
    assert np.isnan(standardised(np.ones((1, 9)), np.ones((1, 9), dtype=np.bool_))).all()


def test_exposures_point_where_their_names_say() -> None:
    fields = _fields()
    for name in ("open", "high", "low", "close", "volume"):
        fields[name] = np.where(np.isfinite(fields[name]), fields[name], np.nanmean(fields[name]))
    drift = np.exp(np.linspace(0, 2, 420))
    fields["close"][:, 0] = 50.0 * drift * np.exp(np.random.default_rng(1).normal(0, 0.002, 420))
    fields["eps_reported"][:, 0], fields["net_income"][:, 0], fields["volume"][:, 0] = 1e4, 1e6, 1e12
    last = exposures(panel_of(**fields)).values[-1, 0]
    assert last[0] > 1
    assert last[1] > 1
    assert last[3] < -1
    assert last[4] > 1


def test_high_accruals_lower_quality() -> None:
    fields = _fields()
    low = exposures(panel_of(**fields)).values[-1, 0, 2]
    fields["operating_cash_flow"][:, 0] = -1e4
    assert exposures(panel_of(**fields)).values[-1, 0, 2] < low


def test_a_split_between_reports_leaves_the_earnings_yield_as_it_was() -> None:
    plain = _fields(6)
    growth = np.where(np.arange(420) < 400, 1.0, 3.0)[:, None]
    split = np.where(np.arange(420) == 400, 3.0, 1.0)[:, None] * np.ones((1, 6))
    cut = {**plain, "close": plain["close"] / growth, "eps_reported": plain["eps_reported"] / growth, "split": split}
    ours, theirs = (exposures(panel_of(**fields)) for fields in (cut, plain))
    column = ours.names.index("value")
    np.testing.assert_allclose(ours.values[..., column], theirs.values[..., column], rtol=1e-9, atol=1e-9)


def test_poison_in_the_future_changes_no_exposure_and_no_factor_return_up_to_now() -> None:
    fields = with_events(_fields())
    fields.update({name: values for name, values in _fields().items() if name not in fields})
    before = panel_of(**fields)
    poisoned = {name: values.copy() for name, values in fields.items()}
    for values in poisoned.values():
        values[381:] = np.random.default_rng(2).uniform(0.5, 90.0, values[381:].shape)
    after = panel_of(**poisoned)
    ours, theirs = exposures(before), exposures(after)
    assert same_bits(ours.values[:381], theirs.values[:381])
    earned, other = factor_returns(before, ours), factor_returns(after, theirs)
    assert same_bits(earned.values[:381], other.values[:381])
    assert np.isfinite(earned.values[380]).all()


def test_planted_factor_returns_are_found_to_the_last_digit() -> None:
    panel, known = _planted(0.001, 0.01)
    earned = factor_returns(panel, known)
    assert earned.names == ("market", "tilt")
    assert earned.weighting == "equal"
    np.testing.assert_allclose(earned.values[1:], [[0.001, 0.01]] * 299, rtol=1e-9)
    np.testing.assert_allclose(earned.specific[1:], 0.0, atol=1e-12)
    np.testing.assert_allclose(earned.explained[1:], 1.0)
    assert np.isnan(earned.values[0]).all()


def test_exposures_explain_the_return_after_them_and_not_their_own() -> None:
    panel, known = _planted(0.001, 0.01)
    late = replace(known, values=np.roll(known.values, 1, axis=0))
    assert abs(np.nanmean(factor_returns(panel, late).values[:, 1])) < 0.001


def test_a_regression_weighted_by_size_is_the_textbook_one() -> None:
    panel, known = _planted(0.001, 0.01, 0.02)
    size = np.random.default_rng(1).lognormal(10, 2, known.size.shape)
    earned = factor_returns(panel, replace(known, size=size))
    assert earned.weighting == "root size"
    root = size[99] ** 0.25
    design = np.column_stack([np.ones(20), known.values[99, :, 0]]) * root[:, None]
    returns = panel.fields["close"][100] / panel.fields["close"][99] - 1.0
    np.testing.assert_allclose(earned.values[100], np.linalg.lstsq(design, returns * root)[0], rtol=1e-9)
    with pytest.raises(DataError, match="no volume to weight by"):
        factor_returns(panel, known, "root size")


def test_bars_with_too_few_instruments_have_no_factor_return() -> None:
    panel, known = _planted(0.001, 0.01)
    values = known.values.copy()
    values[100, 3:], values[101, 4:] = np.nan, np.nan
    earned = factor_returns(panel, replace(known, values=values))
    assert np.isnan(earned.values[101]).all()
    assert np.isfinite(earned.values[102]).all()


def test_a_return_over_a_halt_is_left_out() -> None:
    fields = random_fields(60, 6)
    fields["close"][30:35, 0] = np.nan
    close = fields["close"].copy()
    close[:35, 0] *= 100.0
    market, other = (equal_weight_market(panel_of(close=one)) for one in (fields["close"], close))
    np.testing.assert_allclose(market[1:], other[1:])
    assert np.isnan(market[0])


def test_rotation_names_the_factor_that_earned_most_lately() -> None:
    values = np.full((10, 3), np.nan)
    values[1:6], values[6:] = [9.0, 0.02, 0.01], [9.0, 0.0, 0.05]
    times = np.datetime64("2020-01-01", "ns") + np.arange(10) * np.timedelta64(1, "D")
    earned = FactorReturns(times, ("market", "momentum", "value"), values, values, values[:, 0], "equal")
    means, leaders = rotation(earned, window=3)
    assert leaders == ("", "", "", *["momentum"] * 3, *["value"] * 4)
    np.testing.assert_allclose(means[7], [0.02 / 3, 0.11 / 3])


def test_the_parts_of_risk_add_up_to_the_whole() -> None:
    draw = np.random.default_rng(6)
    for seed in range(20):
        model, weights = _model(seed), draw.normal(0, 0.3, 8)
        risk = decompose(weights, model)
        whole = weights @ (model.exposures @ model.covariance @ model.exposures.T + np.diag(model.specific)) @ weights
        assert risk.total == pytest.approx(whole, rel=1e-12)
        assert risk.by_factor.sum() + risk.specific == pytest.approx(whole, rel=1e-12)
        assert sum(risk.shares().values()) == pytest.approx(1.0)
        assert list(risk.shares()) == ["market", *ALL, "specific"]
        assert risk.volatility == pytest.approx(np.sqrt(whole))


def test_a_portfolio_without_weights_has_no_risk_and_no_shares() -> None:
    risk = decompose(np.full(8, np.nan), _model())
    assert risk.total == 0.0
    assert np.isnan(list(risk.shares().values())).all()


def test_an_instrument_held_without_known_risk_is_refused_by_name() -> None:
    model = _model()
    model.exposures[2, 1], model.specific[5] = np.nan, np.nan
    with pytest.raises(DataError, match="specific variance of S2, S5"):
        decompose(np.full(8, 0.1), model)
    rest = np.where(np.isin(np.arange(8), (2, 5)), 0.0, 0.1)
    assert decompose(rest, model).total > 0
    with pytest.raises(DataError, match=r"weights of shape \(3,\)"):
        decompose(np.ones(3), model)


def test_a_risk_model_reads_the_window_before_its_row_and_no_more() -> None:
    panel, known = _planted(0.001, 0.01, 0.02)
    earned = factor_returns(panel, known)
    model = risk_model(panel.symbols, known, earned, window=100, row=200)
    np.testing.assert_allclose(model.covariance, np.cov(earned.values[101:201], rowvar=False))
    np.testing.assert_allclose(model.specific, np.mean(earned.specific[101:201] ** 2, axis=0))
    assert same_bits(model.exposures[:, 1], known.values[200, :, 0])
    assert np.sqrt(model.specific.mean()) == pytest.approx(0.02, rel=0.1)
    with pytest.raises(DataError, match="3 bars of factor returns"):
        risk_model(panel.symbols, known, earned, window=3)


def test_fewer_than_five_instruments_have_no_factors() -> None:
    with pytest.raises(DataError, match="factors of 4 instruments"):
        exposures(panel_of(close=np.ones((10, 4))))


@pytest.mark.real_data
def test_the_bundled_sample_moves_with_the_published_market() -> None:
    path = MACRO / "FF5_daily_2003_2017.csv.gz"
    if not path.is_file():
        pytest.skip(f"no published factors at {path}")
    import polars as pl

    table = pl.read_csv(path, try_parse_dates=True)
    panel = Sample().fetch()
    market, volatility = equal_weight_market(panel), factor_returns(panel, exposures(panel)).values[:, 2]
    _, left, right = np.intersect1d(panel.times.astype("datetime64[D]"), table["Date"].to_numpy(), return_indices=True)
    published = table["Mkt-RF"].to_numpy()[right]
    assert len(left) > 3700
    assert np.corrcoef(market[left], published)[0, 1] > 0.95
    assert 0.4 < np.corrcoef(volatility[left], published)[0, 1] < 0.7
