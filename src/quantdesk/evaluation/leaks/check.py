"""All checks for leaks, of a strategy or of a whole study."""

from collections.abc import Iterable

from quantdesk.domain.panel import Panel
from quantdesk.evaluation.leaks.blind import blindness
from quantdesk.evaluation.leaks.fills import same_bar_fills
from quantdesk.evaluation.leaks.labels import echo, entry, span
from quantdesk.evaluation.leaks.leak import Leak
from quantdesk.evaluation.leaks.learned import overlap, refit
from quantdesk.evaluation.leaks.seen import Seen
from quantdesk.evaluation.leaks.stamps import stamps
from quantdesk.evaluation.leaks.study import Study, World
from quantdesk.strategy import Strategy


def check(strategy: Strategy, panel: Panel, seed: int = 0, moments: int = 8) -> tuple[Leak, ...]:
    """Check a strategy on a panel; no leak found is no proof that there is none.

    Parameters
    ----------
    strategy : Strategy
        Yours or ours.
    panel : Panel
        The data as it would be evaluated on.
    seed : int
        Seed of the moments, of the garbage and of the model.
    moments : int
        Random moments, and as many just before something became known, at which all is done again.

    Returns
    -------
    tuple of Leak
        The first of each kind for each thing, in order of the checks.

    Raises
    ------
    DataError
        If the history is too short to learn from.
    StrategyError
        If the strategy asks for what does not exist.
    """
    return check_study(Study(World(panel), lambda _: strategy), seed, moments)


def check_study(study: Study, seed: int = 0, moments: int = 8) -> tuple[Leak, ...]:
    """Check every step from raw facts to fills.

    Raises
    ------
    DataError
        If the history is too short to learn from.
    StrategyError
        If the strategy asks for what does not exist.
    """
    seen = Seen.of(study, seed)
    found = [
        *stamps(seen.panel),
        *blindness(seen, moments),
        *echo(seen),
        *entry(seen, moments),
        *span(seen, moments),
        *overlap(seen),
        *refit(seen),
        *same_bar_fills(seen, moments),
    ]
    return _first_of_each(found)


def _first_of_each(leaks: Iterable[Leak]) -> tuple[Leak, ...]:
    found: dict[tuple[str, str], Leak] = {}
    for leak in leaks:
        found.setdefault((leak.check, leak.thing), leak)
    return tuple(found.values())
