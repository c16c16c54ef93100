"""An explanation as plain numbers by name, and as the arrays that a receipt answers for."""

import math

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.explanation.findings import Explanation
from quantdesk.evaluation.explanation.words import words


def summary(of: Explanation) -> dict[str, object]:
    """Return what ``desk evaluate --json`` prints of it; numbers that do not exist are null."""
    flow = of.flow.mean
    columns: dict[str, dict[str, object]] = {}
    for place, name in enumerate(of.names):
        columns[name] = {
            "rank_ic_lost": _number(of.shuffled_skill.mean[place]),
            "error": _number(of.shuffled_skill.error[place]),
            "band": _number(of.shuffled_skill.reach[place]),
            "p_value": _number(of.shuffled_skill.p_values[place]),
            "is_more_than_noise": bool(of.shuffled_skill.is_more[place]),
            "quantile_loss_gained": _number(of.shuffled_loss.mean[place]),
            "quantile_loss_p_value": _number(of.shuffled_loss.p_values[place]),
            "rank_ic_lost_left_out": _number(of.ablated_skill.mean[place]),
            "quantile_loss_gained_left_out": _number(of.ablated_loss.mean[place]),
        }
    for place, name in enumerate(of.feature_names):
        columns[name] |= {"contribution": _number(flow[place]), "direction": _number(of.flow.directions[place])}
    return {
        "said": list(words(of)),
        "n_times": len(of.times),
        "n_instruments": of.n_instruments,
        "n_draws": of.n_draws,
        "skill": _number(of.skill),
        "skill_of_the_record": _number(of.record.rank_ic) if of.record else None,
        "quantile_loss": _number(of.loss),
        "families": {family.name: [of.feature_names[column] for column in family.members] for family in of.families},
        "lost": columns,
    }


def arrays(of: Explanation) -> dict[str, Float64]:
    """Name the arrays that the report draws."""
    attention = of.attention
    drawn = {
        "contributions": of.flow.sizes,
        "attention over lags": attention.lags if attention else None,
        "attention over features": attention.features if attention else None,
    }
    return {name: values for name, values in drawn.items() if values is not None}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
