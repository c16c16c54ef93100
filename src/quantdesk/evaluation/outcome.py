"""The result of an evaluation: everything that the verdict, the report and the JSON read."""

from dataclasses import dataclass, field

import numpy as np

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.effort import Spent
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.evidence import Evidence
from quantdesk.evaluation.significance import Significance


@dataclass(frozen=True, eq=False)
class Track:
    """Hold what one portfolio did, bar by bar.

    Parameters
    ----------
    times : Times
        Bar closes (n_times,).
    equity : Float64
        Net asset value at each close, account currency (n_times,).
    gross_exposure, net_exposure : Float64
        Sum of absolute and of signed held weights at each close (n_times,).
    turnover : Float64
        Value traded in the bar over net asset value (n_times,).
    costs : Float64
        Commission, spread, impact and borrow of the bar, account currency (n_times,).
    """

    times: Times
    equity: Float64
    gross_exposure: Float64
    net_exposure: Float64
    turnover: Float64
    costs: Float64

    @property
    def returns(self) -> Float64:
        """Compute simple returns a bar (n_times - 1,)."""
        return self.equity[1:] / self.equity[:-1] - 1.0


@dataclass(frozen=True)
class Performance:
    """Summarise a track. Ratios are annual; returns are simple.

    ``sharpe``, ``sortino``, ``calmar`` are NaN where they have no meaning. ``max_drawdown`` is a
    positive fraction; ``turnover`` is value traded a year over net asset value (one way).
    """

    annual_return: float
    annual_volatility: float
    sharpe: float
    sortino: float
    calmar: float
    max_drawdown: float
    turnover: float
    hit_rate: float
    n_bars: int
    bars_per_year: float


@dataclass(frozen=True)
class ForecastScores:
    """Score the out-of-sample forecasts at one horizon.

    The IC is the cross-sectional Pearson correlation of mean forecast and label, averaged over
    times; t-statistics are Newey-West with twice ``horizon`` lags, because labels overlap. Accuracy, precision, recall and F1
    judge the direction; MAE is in log return.
    """

    horizon: int
    n_samples: int
    ic_mean: float
    ic_t: float
    rank_ic_mean: float
    rank_ic_t: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    mae: float
    r2: float
    pearson: float
    sign_accuracy: float
    interval_coverage: float
    coverage_by_volatility: tuple[float, float, float]


@dataclass(frozen=True)
class Verdict:
    """Say in words what the numbers allow.

    Parameters
    ----------
    grade : str
        ``none``, ``weak`` or ``evidence``.
    headline : str
        One sentence, which starts with "no evidence of an edge", "weak evidence of an edge" or
        "evidence of an edge".
    reasons : tuple of str
        Why, the most telling first.
    caveats : tuple of str
        What limits any conclusion from this data.
    """

    grade: str
    headline: str
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Net Sharpe of the same targets at several cost levels.

    Parameters
    ----------
    multipliers : Float64
        Cost multipliers, the first 0 (gross), 1 among them (n_levels,).
    sharpes : Float64
        Annual Sharpe ratio at each (n_levels,).
    cost_bps : float
        Average cost actually paid at multiplier 1, basis points of value traded.
    break_even_bps : float
        Cost at which the mean net return is 0, basis points of value traded; 0 if it never was
        positive, infinite if nothing is traded.
    """

    multipliers: Float64
    sharpes: Float64
    cost_bps: float
    break_even_bps: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Hold an out-of-sample evaluation of one strategy on one data set.

    Parameters
    ----------
    run_id : str
        Digest of data, strategy, code, seeds and settings.
    strategy, description : str
        Its name, and what it does in one sentence.
    data, fingerprint : str
        The data set's name and digest.
    seed : int
        Seed of everything random.
    settings : dict
        What was chosen (folds, costs, limits), for the reader.
    folds : tuple
        One (train begin, train end, test begin, test end) a fold, times.
    verdict : Verdict
        What the numbers allow.
    track : Track
        The strategy, after costs.
    performance, gross_performance : Performance
        After costs, and at zero cost.
    baselines : dict of str to Track
        The same bars, the same costs.
    baseline_performance : dict of str to Performance
        By the same names.
    forecast_scores : tuple of ForecastScores
        One a horizon.
    significance : Significance
        Of the net Sharpe ratio.
    alpha_significance : Significance
        Of what is left after the equal-weight baseline's beta is taken out.
    beta : float
        Slope on the equal-weight baseline.
    costs : CostCurve
        Sharpe at other costs.
    horizon : int
        The horizon that the strategy trades, bars.
    forecasts : Forecasts
        Out of sample, at the track's times but the last few.
    labels : Float64
        What happened (n_times, n_instruments, n_horizons), aligned with ``forecasts``.
    scale : Float64
        Volatility known then (n_times, n_instruments), aligned with ``forecasts``.
    feature_names : tuple of str
        Columns of ``importance``.
    importance : Float64
        Mean share over folds (n_features,).
    fills : tuple of Fill
        Every trade, in time order.
    evidence : Evidence
        What luck, choice and change would make of it.
    seconds : dict of str to float
        Time spent by step.
    spent : tuple of Spent
        What learning took, fold by fold.
    """

    run_id: str
    strategy: str
    description: str
    data: str
    fingerprint: str
    seed: int
    settings: dict[str, str]
    folds: tuple[tuple[np.datetime64, np.datetime64, np.datetime64, np.datetime64], ...]
    verdict: Verdict
    track: Track
    performance: Performance
    gross_performance: Performance
    baselines: dict[str, Track]
    baseline_performance: dict[str, Performance]
    forecast_scores: tuple[ForecastScores, ...]
    significance: Significance
    alpha_significance: Significance
    beta: float
    costs: CostCurve
    horizon: int
    forecasts: Forecasts
    labels: Float64
    scale: Float64
    feature_names: tuple[str, ...]
    importance: Float64
    fills: tuple[Fill, ...]
    evidence: Evidence
    seconds: dict[str, float] = field(default_factory=dict)
    spent: tuple[Spent, ...] = ()

    def label(self, baseline: str) -> str:
        """Name a baseline as readers should see it: never as the strategy itself is called."""
        return f"plain {baseline}" if baseline == self.strategy else baseline
