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
        return (f"Only {_times(of)} a horizon apart can be looked at: too few to tell any feature from noise.",)
    said = (_features(of), *_balanced(of), _families(of), _harm(of), _whole(of))
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
            f"{len(alone)} of {n} features {verb} more than noise{_at(of)}: {_listed(of, alone)}. "
            f"{_shuffled(of)}, so that all else stays, {one} takes away that much of {_measure(of)}{_but(of)}."
        )
    if not of.skill > 0 and not len(together):
        return f"No feature is more than noise, and there is no skill that could rest on one: {_measure(of)} is none."
    start = "No feature by itself is more than noise" if len(together) else "No feature is more than noise"
    return (
        f"{start}: {_shuffled(of).lower()}, none of {n} takes away more of {_measure(of)} than the furthest "
        f"of as many useless ones would."
    )


def _balanced(of: Explanation) -> list[str]:
    # A feature lost alone unsettles a model that weighs it against its kin, also where the two together say nothing.
    alone, fall, said = set(more(of)[0].tolist()), of.shuffled_skill, []
    for place, family in enumerate(of.families, len(of.feature_names)):
        named = [column for column in family.members if column in alone]
        if not named or fall.is_more[place]:
            continue
        kin = _joined([of.names[column] for column in family.members if column not in named][:_N_NAMED])
        beside = f"what resembles {'it' if len(named) == 1 else 'them'} ({kin})" if kin else "one another"
        said.append(
            f"But shuffled together with {beside}, {_joined([of.names[column] for column in named])} "
            f"{'takes' if len(named) == 1 else 'take'} away {_ic(float(fall.mean[place]))}, which is no more than noise: "
            "the model balances them against each other, so this is no evidence for a feature by itself."
        )
    return said


def _families(of: Explanation) -> str:
    _, together = more(of)
    if not len(together):
        return ""
    verb = "is" if len(together) == 1 else "are"
    return (
        f"Shuffled together, {_listed(of, together)} {verb} more than noise{_at(of)}. "
        "Columns that resemble one another hide one another: where one is lost, the next stands in for it."
    )


def _harm(of: Explanation) -> str:
    n_alone = len(of.feature_names) + len(of.families)
    found = np.flatnonzero(of.shuffled_skill.is_harm[:n_alone])
    if not len(found):
        return ""
    ordered = found[np.argsort(of.shuffled_skill.mean[found], kind="stable")]
    return f"Without what it says, the forecasts would have been better by more than noise{_at(of)}: {_listed(of, ordered)}."


def _whole(of: Explanation) -> str:
    fall, lost = of.shuffled_skill, _ic(float(of.shuffled_skill.mean[-1]))
    if fall.is_more[-1] and _is_idle(of):
        return f"All features shuffled at once take away {lost}{_at(of)}{_but(of)}."
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
    whole = f" ({_ic(of.record.rank_ic)} over the whole record)" if of.record else ""
    return f"{name} of {_ic(of.skill)} at the {_times(of)} looked at{whole}"


def _times(of: Explanation) -> str:
    return f"{len(of.times)} {'time' if len(of.times) == 1 else 'times'}"


def _is_idle(of: Explanation) -> bool:
    return of.record is not None and not of.record.is_skill


def _at(of: Explanation) -> str:
    return " at the times looked at" if _is_idle(of) else ""


def _but(of: Explanation) -> str:
    return "; over the whole record there is no skill, so this says nothing" if _is_idle(of) else ""


def _listed(of: Explanation, columns: Ints) -> str:
    named = [f"{of.names[column]} ({_ic(float(of.shuffled_skill.mean[column]))})" for column in columns[:_N_NAMED].tolist()]
    rest = len(columns) - len(named)
    return _joined(named + ([f"{rest} more"] if rest else []))


def _joined(named: list[str]) -> str:
    if not named:
        return ""
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _ic(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")
