"""Energy is what the machine's own counters say, and unknown where they do not."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from differing import signed

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")

from quantdesk.domain.effort import Effort, Spent, counting  # noqa: E402
from quantdesk.evaluation.receipt import NOT_NUMBERS  # noqa: E402
from quantdesk.evaluation.report.record import learning  # noqa: E402
from quantdesk.evaluation.summary import _spent  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.learning import energy, loop, state  # noqa: E402
from quantdesk.models.learning.energy import Counter, Meter, meter_of  # noqa: E402
from quantdesk.models.maml import MetaLearned  # noqa: E402
from quantdesk.models.networks.mlp import MLP  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RANGE = 262_143_328_850


def zone(folder: Path, number: str, name: str, energy_uj: int) -> Path:
    made = folder / f"intel-rapl:{number}"
    made.mkdir(parents=True)
    for file, text in (("name", name), ("energy_uj", energy_uj), ("max_energy_range_uj", RANGE)):
        (made / file).write_text(f"{text}\n")
    return made / "energy_uj"


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    zone(tmp_path, "0", "package-0", 5_000_000)
    zone(tmp_path, "1", "package-1", RANGE - 2_000_000)
    return tmp_path


def counted(folder: Path, number: str, energy_uj: int) -> None:
    (folder / f"intel-rapl:{number}" / "energy_uj").write_text(f"{energy_uj}\n")


def test_packages_are_added_up_and_one_that_began_again_at_0_goes_on(powercap: Path) -> None:
    meter = meter_of(CPU, powercap=powercap)
    counted(powercap, "0", 12_000_000)
    assert meter.joules == pytest.approx(7.0)
    counted(powercap, "1", 3_000_000)
    assert meter.joules == pytest.approx(7.0 + 5.0)
    counted(powercap, "1", 4_500_000)
    assert meter.joules == pytest.approx(7.0 + 6.5)


def test_zones_within_a_package_and_the_platform_are_not_counted_again(powercap: Path) -> None:
    zone(powercap, "0:0", "core", 0)
    zone(powercap, "2", "psys", 0)
    meter = meter_of(CPU, powercap=powercap)
    for number in ("0:0", "2"):
        counted(powercap, number, 900_000_000)
    counted(powercap, "0", 6_000_000)
    assert meter.joules == pytest.approx(1.0)


def test_what_was_drawn_before_a_kill_counts_and_stays_unknown_if_it_was(powercap: Path) -> None:
    assert meter_of(CPU, before=30.0, powercap=powercap).joules == pytest.approx(30.0)
    assert meter_of(CPU, before=None, powercap=powercap).joules is None


def test_without_counters_or_the_right_to_read_all_of_them_it_is_unknown(powercap: Path, tmp_path: Path) -> None:
    assert meter_of(CPU, powercap=tmp_path / "nowhere").joules is None
    assert meter_of(torch.device("mps"), powercap=powercap).joules is None
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    assert meter_of(CPU, powercap=powercap).joules is None


def test_a_counter_that_falls_silent_makes_it_unknown_for_good(powercap: Path) -> None:
    meter, file = meter_of(CPU, powercap=powercap), powercap / "intel-rapl:0" / "energy_uj"
    file.write_text("no number")
    assert meter.joules is None
    file.write_text("9000000")
    assert meter.joules is None


@pytest.mark.parametrize(("seconds", "joules"), [(99.0, 20.0), (101.0, None)])
def test_a_counter_that_may_have_wrapped_twice_between_readings_says_nothing(seconds: float, joules: float | None) -> None:
    now, values = iter([0.0, seconds]), iter([99_990.0, 10.0])
    meter = Meter((Counter(lambda: next(values), wraps_at=100_000.0),), clock=lambda: next(now))
    found = meter.joules
    assert found is None if joules is None else found == pytest.approx(joules)


class FakeNVML(ModuleType):
    """Stands for the library of the driver, with three GPUs that count millijoules."""

    class NVMLError(Exception):
        """What it raises."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.counts = {"GPU-a": 1_000, "GPU-b": 70_000, "GPU-c": 9_000}
        self.is_broken = False

    def nvmlInit(self) -> None:  # noqa: N802
        """Begin."""
        if self.is_broken:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        """Find a GPU."""
        return name

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        """Read its counter."""
        if self.is_broken:
            raise self.NVMLError("Not Supported")
        return self.counts[handle]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNVML:
    made = FakeNVML()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="bca"[index]))
    return made


def test_a_gpu_is_found_by_its_name_and_several_are_added_up(nvml: FakeNVML) -> None:
    one, second, two = meter_of(CUDA), meter_of(torch.device("cuda", 1)), meter_of(CUDA, n_devices=2)
    nvml.counts.update({"GPU-a": 9_000_000, "GPU-b": 71_000, "GPU-c": 9_500})
    assert one.joules == pytest.approx(1.0)
    assert second.joules == pytest.approx(0.5)
    assert two.joules == pytest.approx(1.5)


def test_a_gpu_that_does_not_count_or_lost_its_count_is_unknown(nvml: FakeNVML, monkeypatch: pytest.MonkeyPatch) -> None:
    reloaded, silent = meter_of(CUDA), meter_of(CUDA)
    nvml.counts["GPU-b"] = 5
    assert reloaded.joules is None
    nvml.is_broken = True
    assert silent.joules is None
    assert meter_of(CUDA).joules is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert meter_of(CUDA).joules is None


def rising(start: float) -> Callable[[], float]:
    values = iter(range(10_000))
    return lambda: start + next(values)


MODELS = [Deep(MLP(1, 4), training=Training(epochs=3)), MetaLearned(MLP(1, 4), training=Training(epochs=3))]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_training_records_its_energy_where_it_is_known(
    model: Deep | MetaLearned, powercap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "_packages", lambda folder: (Counter(rising(50.0)),))
    with counting() as known:
        model.fit(signed(60, 3, seed=0), 0)
    assert known[0].joules is not None
    assert known[0].joules >= 3.0
    monkeypatch.setattr(energy, "_packages", lambda folder: ())
    with counting() as unknown:
        model.fit(signed(60, 3, seed=0), 0)
    assert unknown[0].joules is None


class KilledError(Exception):
    """Stands for a kill."""


def test_a_training_that_was_killed_keeps_the_energy_it_had_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_packages", lambda folder: (Counter(rising(0.0)),))
    model, kept = Deep(MLP(1, 4), training=Training(epochs=3, checkpoint=tmp_path / "kept.pt")), []
    as_ever = state.save

    def save_once(path: Path, identity: str, at: state.State, *rest: object) -> None:
        as_ever(path, identity, at, *rest)  # type: ignore[arg-type]
        kept.append(at.joules)
        raise KilledError

    monkeypatch.setattr(loop, "save", save_once)
    with pytest.raises(KilledError):
        model.fit(signed(60, 3, seed=0), 0)
    monkeypatch.setattr(loop, "save", as_ever)
    monkeypatch.setattr(energy, "_packages", lambda folder: (Counter(lambda: 5.0),))
    joules = model.fit(signed(60, 3, seed=0), 0).effort.joules
    assert kept[0] is not None
    assert kept[0] > 0
    assert joules == kept[0]


EFFORT = Effort(20.0, 5000.0, 4, 2, ((0.4, 0.5),) * 4, "cpu", joules=1500.0)


def test_the_energy_of_a_fit_is_known_only_where_that_of_every_training_is() -> None:
    assert Spent(1.0, (EFFORT, EFFORT)).joules == 3000.0
    assert Spent(1.0, (EFFORT, replace(EFFORT, joules=None))).joules is None
    assert Spent(1.0).joules is None


def test_record_and_report_show_energy_only_where_it_is_known_and_runs_are_not_compared_by_it() -> None:
    known, unknown = Spent(1.0, (EFFORT,)), Spent(1.0, (replace(EFFORT, joules=None),))
    assert _spent(known)["joules"] == 1500.0
    assert "joules" not in _spent(unknown)
    assert "spent" in NOT_NUMBERS
    text = learning((known, unknown)).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert '<th scope="col">Energy</th>' in text
    assert "<td>1.50 kJ</td></tr>" in text
    assert text.count("<td>–</td></tr>") == 2  # the other fold, and so all of them together
    assert "Energy" not in learning((unknown, unknown))
