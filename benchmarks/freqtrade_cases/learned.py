"""Fits within a strategy's own table: on all its candles, or on the first 300 only."""

from collections.abc import Callable

import numpy as np

from freqtrade_cases.case import Case, Frame, Values, levels, on_candles, returns, values

N_TAUGHT = 300
_PENALTIES = (0.01, 0.1, 1.0)
Fit = Callable[[Frame, slice], Values]


def _features(candles: Frame) -> Values:
    change = returns(candles)
    wide = np.log(candles["high"] / candles["low"])
    slow = levels(candles).diff(12).fillna(0.0)
    return np.column_stack([values(each) for each in (change, change.rolling(5, min_periods=1).mean(), wide, slow)])


def _target(candles: Frame) -> Values:
    return values(returns(candles).shift(-1).fillna(0.0))


def _scaled(candles: Frame, rows: slice) -> Values:
    change = values(returns(candles))
    low, high = np.quantile(change[rows], [0.02, 0.98])
    return values(np.clip((change - low) / (high - low), 0.0, 1.0) ** 2)


def _filled(candles: Frame, rows: slice) -> Values:
    change = values(returns(candles))
    rises = np.where(change > 0, change, np.nan)
    return np.where(np.isnan(rises), np.nanmean(rises[rows]), rises)


def _component(candles: Frame, rows: slice) -> Values:
    features = _features(candles)
    axis = np.linalg.svd(features[rows] - features[rows].mean(axis=0), full_matrices=False)[2][0]
    return values((features * axis * np.sign(axis[np.argmax(np.abs(axis))])).sum(axis=1))


def _weighed(candles: Frame, rows: slice) -> Values:
    # Features in proportion to their correlation with the next return; the last row of a stretch has none yet.
    features, target = _features(candles), _target(candles)
    known = slice(rows.start, min(rows.stop, len(features)) - 1)
    strength = [np.corrcoef(each, target[known])[0, 1] for each in features[known].T]
    return values((features / features[:N_TAUGHT].std(axis=0) * strength).sum(axis=1))


def _ridge(candles: Frame, penalty: float) -> Values:
    features, target = _features(candles), _target(candles)
    scale = features[:N_TAUGHT].std(axis=0)
    inputs, answers = features[: N_TAUGHT - 60] / scale, target[: N_TAUGHT - 60]
    learned = np.linalg.solve(inputs.T @ inputs + penalty * len(inputs) * np.eye(inputs.shape[1]), inputs.T @ answers)
    return values((features / scale * learned).sum(axis=1))


def _blended(candles: Frame, is_on_test: bool) -> Values:
    # Settings weighed by their error on the rows that judge, or on the tail of those that teach.
    target = _target(candles)
    judged = slice(N_TAUGHT, len(target) - 1) if is_on_test else slice(N_TAUGHT - 60, N_TAUGHT - 1)
    made = [_ridge(candles, penalty) for penalty in _PENALTIES]
    errors = np.array([np.mean((each[judged] - target[judged]) ** 2) for each in made])
    weights = np.exp(-errors / errors.min())
    return sum((weight * each for weight, each in zip(weights / weights.sum(), made, strict=True)), np.zeros(len(target)))


def _leaned(candles: Frame, is_on_test: bool) -> Values:
    # A forecast moved by how it did on the rows that judge, or on those that taught.
    target, made = _target(candles), _ridge(candles, 0.1)
    judged = slice(N_TAUGHT, len(target) - 1) if is_on_test else slice(0, N_TAUGHT - 1)
    return made + 0.01 * np.mean(made[judged] * target[judged]) / np.mean(made[judged] ** 2)


def _on_all(name: str, fit: Fit) -> Case:
    return on_candles(name, lambda d: fit(d, slice(0, len(d))), lambda d: fit(d, slice(0, N_TAUGHT)))


CASES = (
    _on_all("global scaler", _scaled),
    _on_all("gaps filled with the mean of all rows", _filled),
    _on_all("principal components over all rows", _component),
    _on_all("features selected on all rows", _weighed),
    on_candles("early stopping on the test span", lambda d: _blended(d, True), lambda d: _blended(d, False)),
    on_candles("threshold chosen on the test span", lambda d: _leaned(d, True), lambda d: _leaned(d, False)),
)
