import math

import pytest

from quantdesk.domain.progress import telling
from quantdesk.models.learning.pace import duration, rate, tell_pace


def words(epoch: int, step: int, loss: float, seconds: float, judged: float = math.nan) -> tuple[str, int, int]:
    heard: list[tuple[str, int, int]] = []
    with telling(lambda *told: heard.append(told)):
        tell_pace(epoch, 20, step, 10, loss, 12_300, seconds, judged)
    return heard[0]


def test_a_training_says_its_epoch_loss_speed_and_the_time_that_is_left() -> None:
    told = words(2, 5, 0.412, seconds=2.5)
    assert told == ("epoch 3 of 20, loss 0.412, 12.3 k samples/s, 18 s left", 25, 200)


def test_before_the_first_step_there_is_only_the_epoch() -> None:
    assert words(0, 0, math.nan, seconds=0.1) == ("epoch 1 of 20", 0, 200)


def test_after_an_epoch_the_loss_of_the_validation_span_stands_beside() -> None:
    told, *_ = words(2, 5, 0.412, seconds=2.5, judged=0.345)
    assert told == "epoch 3 of 20, loss 0.412 (validation 0.345), 12.3 k samples/s, 18 s left"


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (3.21, "3.21 samples/s"),
        (999.4, "999 samples/s"),
        (999.6, "1 k samples/s"),
        (12_345.0, "12.3 k samples/s"),
        (999_400.0, "999 k samples/s"),
        (2.5e6, "2.5 M samples/s"),
    ],
)
def test_a_speed_has_three_digits(speed: float, said: str) -> None:
    assert rate(speed) == said


@pytest.mark.parametrize(("seconds", "said"), [(40.4, "40 s"), (59.6, "1 min"), (3570.0, "1 h 0 min"), (7260.0, "2 h 1 min")])
def test_a_span_is_written_in_the_units_that_matter(seconds: float, said: str) -> None:
    assert duration(seconds) == said
