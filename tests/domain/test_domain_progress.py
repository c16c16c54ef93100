import pytest

from quantdesk.domain.effort import Effort, Spent, count, counting
from quantdesk.domain.progress import part, silent, tell_of, telling

Heard = list[tuple[str, int, int]]


def effort(seconds: float = 10.0, device: str = "cpu", n_devices: int = 1) -> Effort:
    return Effort(seconds, 100.0, 3, 1, ((0.5, 0.6),) * 3, device, 3.6, n_devices)


def test_what_lies_deep_is_heard_by_whoever_listens_and_by_nobody_after() -> None:
    heard: Heard = []
    with telling(lambda *told: heard.append(told)):
        tell_of()("digging", 1, 2)
    tell_of()("digging", 2, 2)
    assert heard == [("digging", 1, 2)]
    assert tell_of() is silent


def test_a_part_of_a_part_is_heard_as_its_share_of_the_whole() -> None:
    heard: Heard = []
    with telling(lambda *told: heard.append(told)), part("fold", 1, 5), part("seed", 2, 3):
        tell_of()("epoch 1", 5, 10)
    assert heard == [("fold 2 of 5: seed 3 of 3: epoch 1", 30 + 25, 150)]


def test_an_error_within_leaves_the_listener_of_before() -> None:
    with pytest.raises(ValueError, match="fell"), telling(print), part("fold", 0, 2):
        raise ValueError("fell")
    assert tell_of() is silent


def test_trainings_are_counted_where_they_are_asked_for() -> None:
    count(effort())
    with counting() as outer:
        count(effort(1.0))
        with counting() as inner:
            count(effort(2.0))
    assert [each.seconds for each in outer] == [1.0]
    assert [each.seconds for each in inner] == [2.0]


def test_what_a_fit_took_adds_its_trainings_up() -> None:
    spent = Spent(70.0, (effort(10.0), effort(30.0, "cuda", 4)))
    assert spent.n_epochs == 6
    assert spent.samples_per_second == pytest.approx(100.0)
    assert spent.gpu_hours == pytest.approx(4 * 30 / 3600)
    assert spent.cost == pytest.approx(0.04)
    assert spent.devices == ("cpu", "cuda")
    assert Spent(1.0).samples_per_second == 0.0
