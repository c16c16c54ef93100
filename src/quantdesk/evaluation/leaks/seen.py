"""What a study gives with everything at hand: the picture that every check compares with."""

from dataclasses import dataclass

from quantdesk.domain.dataset import Dataset
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.panel import Panel
from quantdesk.domain.ports import Forecaster
from quantdesk.evaluation.leaks.study import Lesson, Study
from quantdesk.strategy import Strategy


@dataclass(frozen=True, eq=False)
class Seen:
    """Hold each stage of a study that was carried out once on the whole world.

    Parameters
    ----------
    study : Study
        The study.
    panel : Panel
        What it prepared.
    strategy : Strategy
        What it built.
    dataset : Dataset
        Features and labels of every bar.
    lessons : list of Lesson
        All its splits.
    forecaster : Forecaster
        Learned from the first lesson.
    forecasts : Forecasts
        Made for every bar in one batch.
    seed : int
        Seed of what is random.
    """

    study: Study
    panel: Panel
    strategy: Strategy
    dataset: Dataset
    lessons: list[Lesson]
    forecaster: Forecaster
    forecasts: Forecasts
    seed: int

    @classmethod
    def of(cls, study: Study, seed: int) -> "Seen":
        """Carry out a study on its whole world.

        Raises
        ------
        DataError
            If the history is too short to learn from.
        """
        panel, strategy = study.prepare(study.world), study.build(study.world)
        dataset = strategy.dataset(panel)
        lessons = study.lessons(dataset)
        forecaster = study.learn(strategy, dataset, lessons[0], seed)
        return cls(study, panel, strategy, dataset, lessons, forecaster, forecaster.forecast(dataset), seed)
