"""The numbers of a run as plain values, by name: what ``--json`` prints and a receipt holds."""

import math
from dataclasses import asdict
from pathlib import Path

from quantdesk.domain.effort import Spent
from quantdesk.evaluation.evaluate import scores_at
from quantdesk.evaluation.explanation.summary import summary
from quantdesk.evaluation.outcome import Evaluation


def summarise(evaluation: Evaluation, report: Path) -> dict[str, object]:
    """Return what ``desk evaluate --json`` prints; numbers that do not exist are null."""
    traded = scores_at(evaluation.horizon, evaluation.forecast_scores)
    found: dict[str, object] = {
        "run_id": evaluation.run_id,
        "strategy": evaluation.strategy,
        "data": evaluation.data,
        "fingerprint": evaluation.fingerprint,
        "verdict": evaluation.verdict.headline,
        "grade": evaluation.verdict.grade,
        "reasons": list(evaluation.verdict.reasons),
        "caveats": list(evaluation.verdict.caveats),
        "net_sharpe": _number(evaluation.performance.sharpe),
        "gross_sharpe": _number(evaluation.gross_performance.sharpe),
        "deflated_sharpe": _number(evaluation.significance.deflated_sharpe),
        "probabilistic_sharpe": _number(evaluation.significance.probabilistic_sharpe),
        "alpha_sharpe": _number(evaluation.alpha_significance.sharpe),
        "alpha_probabilistic_sharpe": _number(evaluation.alpha_significance.probabilistic_sharpe),
        "beta": _number(evaluation.beta),
        "n_trials": evaluation.significance.n_trials,
        "n_effective_trials": evaluation.significance.n_effective_trials,
        "max_drawdown": _number(evaluation.performance.max_drawdown),
        "turnover": _number(evaluation.performance.turnover),
        "cost_bps": _number(evaluation.costs.cost_bps),
        "break_even_bps": _number(evaluation.costs.break_even_bps),
        "ic_mean": _number(traded.ic_mean),
        "rank_ic_mean": _number(traded.rank_ic_mean),
        "rank_ic_t": _number(traded.rank_ic_t),
        "interval_coverage": _number(traded.interval_coverage),
        "performance": _numbers(asdict(evaluation.performance)),
        "forecast_scores": [_numbers(asdict(scores)) for scores in evaluation.forecast_scores],
        "baselines": {
            name: {"net_sharpe": _number(performance.sharpe), **_numbers(asdict(performance))}
            for name, performance in evaluation.baseline_performance.items()
        },
        "explanation": summary(evaluation.evidence.explanation) if evaluation.evidence.explanation else None,
        "settings": evaluation.settings,
        "seed": evaluation.seed,
        "seconds": {step: round(seconds, 3) for step, seconds in evaluation.seconds.items()},
        "spent": [_spent(fold) for fold in evaluation.spent],
        "report": str(report),
    }
    return found


def _spent(fold: Spent) -> dict[str, object]:
    took: dict[str, object] = {"seconds": round(fold.seconds, 3)}
    if fold.trainings:
        took |= {"n_trainings": len(fold.trainings), "n_epochs": fold.n_epochs, "devices": list(fold.devices)}
        took |= {"samples_per_second": round(fold.samples_per_second), "gpu_hours": fold.gpu_hours, "cost": fold.cost}
    if fold.joules is not None:
        took["joules"] = round(fold.joules, 3)
    return took


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: dict[str, object]) -> dict[str, object]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in values.items()}
