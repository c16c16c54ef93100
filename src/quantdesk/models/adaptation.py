"""What is chosen about learning an instrument from weights that all share."""

from dataclasses import dataclass

from quantdesk.models.learning.choices import check_choices


@dataclass(frozen=True)
class Adaptation:
    """Choose how shared weights are adapted to one instrument.

    Parameters
    ----------
    shots : int
        Latest labels of the instrument that it learns from.
    steps : int
        Steps of gradient descent.
    rate : float
        Their size.
    is_second_order : bool
        Whether learning the shared weights looks through the steps; otherwise each step counts as
        a shift that does not depend on them, which is quicker.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    shots: int = 20
    steps: int = 3
    rate: float = 0.05
    is_second_order: bool = True

    def __post_init__(self) -> None:
        check_choices(self)


@dataclass(frozen=True)
class Tuning:
    """Choose how the last layer is tuned to one instrument.

    Parameters
    ----------
    steps : int
        Steps of Adam.
    rate : float
        Their size.
    batch : int
        Samples a step.
    min_samples : int
        Samples of the instrument below which it keeps the universal layer.

    Raises
    ------
    StrategyError
        If a choice is outside its range.
    """

    steps: int = 100
    rate: float = 3e-3
    batch: int = 128
    min_samples: int = 100

    def __post_init__(self) -> None:
        check_choices(self)
