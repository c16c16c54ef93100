"""Say in words what the forecasts rest on, and what cannot be said."""

import numpy as np

from quantdesk.domain.arrays import Ints
from quantdesk.evaluation.explanation.findings import Explanation

LEAST_BLOCKS = 6
"""With fewer, no arrangement of signs is rare."""

_N_NAMED = 4


def words(of: Explanation) -> tuple[str, ...]:
    """Say which features are more than noise, or that none is; the plainest first."""
    if of.n_blocks < LEAST_BLOCKS:
        times = f"{len(of.times)} {'time' if len(of.times) == 1 else 'times'}"
        return (f"Only {times} a horizon apart can be looked at: too few to tell any feature from noise.",)
    said = (_features(of), _families(of), _harm(of), _whole(of))
    return tuple(sentence for sentence in said if sentence)


def more(of: Explanation) -> tuple[Ints, Ints]:
    """List the features and the families that are more than noise, the most telling first, by their columns in the falls."""
    n_features, fall = len(of.feature_names), of.shuffled_skill
    found = np.flatnonzero(fall.is_more)
    ordered = found[np.argsort(-fall.mean[found], kind="stable")]
    is_family = (ordered >= n_features) & (ordered < n_features + len(of.families))
    return ordered[ordered < n_features], ordered[is_family]


def _features(of: Explanation) -> str:
    alone, together = more(of)
    n = len(of.feature_names)
    if len(alone):
        verb, one = ("is", "it") if len(alone) == 1 else ("are", "each")
        return (
            f"{len(alone)} of {n} features {verb} more than noise: {_listed(of, alone)}. "
            f"{_shuffled(of)}, so that all else stays, {one} takes away that much of {_measure(of)}."
        )
    if not of.skill > 0 and not len(together):
        return (
            f"No feature is more than noise, and there is no skill that could rest on one: {_measure(of)} "
            "at the times looked at is none."
        )
    start = "No feature by itself is more than noise" if len(together) else "No feature is more than noise"
    return (
        f"{start}: {_shuffled(of).lower()}, none of {n} takes away more of {_measure(of)} than the furthest "
        f"of as many useless ones would."
    )


def _families(of: Explanation) -> str:
    _, together = more(of)
    if not len(together):
        return ""
    verb = "is" if len(together) == 1 else "are"
    return (
        f"Shuffled together, {_listed(of, together)} {verb} more than noise. "
        "Columns that resemble one another hide one another: where one is lost, the next stands in for it."
    )


def _harm(of: Explanation) -> str:
    n_alone = len(of.feature_names) + len(of.families)
    found = np.flatnonzero(of.shuffled_skill.is_harm[:n_alone])
    if not len(found):
        return ""
    ordered = found[np.argsort(of.shuffled_skill.mean[found], kind="stable")]
    return f"Without what it says, the forecasts would have been better by more than noise: {_listed(of, ordered)}."


def _whole(of: Explanation) -> str:
    fall, lost = of.shuffled_skill, _ic(float(of.shuffled_skill.mean[-1]))
    if fall.is_more[-1]:
        return f"All features shuffled at once take away {lost}: the skill as a whole is more than noise."
    return (
        f"All features shuffled at once take away {lost}, which is within noise: where there is no clear skill, "
        "there is nothing clear to explain."
    )


def _shuffled(of: Explanation) -> str:
    return "Shuffled among the instruments of a time" if of.is_across else "Shuffled over time, in stretches"


def _measure(of: Explanation) -> str:
    name = "the rank IC" if of.is_across else "the rank correlation of forecast and outcome"
    return f"{name} of {_ic(of.skill)}"


def _listed(of: Explanation, columns: Ints) -> str:
    named = [f"{of.names[column]} ({_ic(float(of.shuffled_skill.mean[column]))})" for column in columns[:_N_NAMED].tolist()]
    rest = len(columns) - len(named)
    named += [f"{rest} more"] if rest else []
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _ic(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")
