"""Strategies: when they decide, where they are found, and what is said when they cannot be loaded."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.domain.dataset import Dataset
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.domain.forecast import LEVELS, Forecast, Forecasts
from quantdesk.domain.ports import Forecaster
from quantdesk.portfolio.sizing import Equal
from quantdesk.signals.rank import Rank
from quantdesk.signals.threshold import Threshold
from quantdesk.strategy import Rebalance, Rehearsed, Strategy, find, load, shipped_folder
from small_worlds import days, panel_of

HELD, NOTHING = np.array([0.1, 0.0]), np.zeros(2)


@dataclass(frozen=True)
class NoModel:
    """A model that is never fitted."""

    def fit(self, dataset: Dataset, seed: int) -> Forecaster:
        raise AssertionError


def strategy(rebalance: Rebalance = "daily") -> Strategy:
    return Strategy("s", "d", ("*",), NoModel(), Threshold(horizon=5, enter=0.6, leave=0.5), Equal(), rebalance=rebalance)


def due(rebalance: Rebalance, held: Float64 = HELD, n: int = 50) -> list[str]:
    """List the dates on which it decides, from Monday 6 January 2020 on."""
    times = days(n)
    return [str(times[row])[:10] for row in range(1, n) if strategy(rebalance).is_due(times[: row + 1], held)]


def test_a_daily_strategy_is_always_due() -> None:
    assert len(due("daily")) == 49


def test_an_hourly_strategy_is_due_on_the_first_bar_that_closes_in_each_hour() -> None:
    times = np.arange("2020-01-06T14:35", "2020-01-06T16:10", 5, dtype="datetime64[m]").astype("datetime64[ns]")
    rows = [str(times[row])[11:16] for row in range(1, len(times)) if strategy("hourly").is_due(times[: row + 1], HELD)]
    assert rows == ["15:00", "16:00"]


def test_a_weekly_strategy_is_due_on_the_first_bar_of_each_week() -> None:
    assert due("weekly")[:3] == ["2020-01-13", "2020-01-20", "2020-01-27"]


def test_a_week_that_begins_with_a_holiday_is_due_on_its_tuesday() -> None:
    times = days(12)[np.arange(12) != 5]
    rows = [str(times[row])[:10] for row in range(1, 11) if strategy("weekly").is_due(times[: row + 1], HELD)]
    assert rows == ["2020-01-14", "2020-01-20"]


def test_where_weekends_trade_the_week_begins_on_monday() -> None:
    times = np.arange("2020-01-06T21", "2020-01-21T21", 24, dtype="datetime64[h]").astype("datetime64[ns]")
    rows = [str(times[row])[:10] for row in range(1, len(times)) if strategy("weekly").is_due(times[: row + 1], HELD)]
    assert rows == ["2020-01-13", "2020-01-20"]


def test_a_whole_year_away_is_another_week() -> None:
    times = np.array(["2020-01-06T21", "2021-01-04T21"], dtype="datetime64[ns]")
    assert strategy("weekly").is_due(times, HELD)
    assert strategy("monthly").is_due(times, HELD)


def test_a_monthly_strategy_is_due_on_the_first_bar_of_each_month() -> None:
    assert due("monthly") == ["2020-02-03", "2020-03-02"]


@pytest.mark.parametrize("rebalance", ["hourly", "daily", "weekly", "monthly"])
def test_whoever_holds_nothing_is_due(rebalance: Rebalance) -> None:
    assert len(due(rebalance, NOTHING)) == 49
    assert strategy(rebalance).is_due(days(1), HELD)


def test_a_short_position_is_something_held() -> None:
    assert not strategy("monthly").is_due(days(3), np.array([-0.1, 0.0]))


def rehearsed(rows: list[int]) -> Rehearsed:
    quantiles = np.zeros((len(rows), 2, 4, len(LEVELS))) + np.array([0.1, -0.1])[None, :, None, None]
    return Rehearsed(strategy("weekly"), Forecasts(days(20)[rows], ("A", "B"), (1, 5, 10, 20), quantiles))


def test_a_rehearsed_strategy_decides_from_the_forecast_made_for_that_time() -> None:
    panel = panel_of(np.full((20, 2), 10.0))
    target = rehearsed([3, 5, 10]).target(panel.rows(0, 11), HELD)
    assert target.weights.tolist() == [1.0, 0.0]
    assert np.isnan(rehearsed([3, 5, 10]).target(panel.rows(0, 12), HELD).weights).all()


@pytest.mark.parametrize("row", [0, 4, 15])
def test_a_time_that_was_not_rehearsed_is_an_error_that_names_it(row: int) -> None:
    panel = panel_of(np.full((20, 2), 10.0))
    with pytest.raises(StrategyError, match=f"no forecast was rehearsed for {str(panel.times[row])[:10]}"):
        rehearsed([3, 5, 10]).target(panel.rows(0, row + 1), NOTHING)


def test_a_horizon_that_is_not_forecast_is_refused() -> None:
    with pytest.raises(StrategyError, match="trades horizon 7"):
        replace(strategy(), horizon=7)
    with pytest.raises(StrategyError, match="rebalances 'yearly'"):
        replace(strategy(), rebalance="yearly")  # type: ignore[arg-type]


def test_a_decision_is_the_sizing_of_the_signal() -> None:
    quantiles = np.zeros((2, 4, len(LEVELS))) + np.array([-0.1, 0.1])[:, None, None]
    forecast = Forecast(days(1)[0], ("A", "B"), (1, 5, 10, 20), quantiles)
    assert strategy().decide(forecast, panel_of([[1.0, 1.0]]), NOTHING).weights.tolist() == [0.0, 1.0]


def test_any_other_choice_is_another_fingerprint() -> None:
    prints = {strategy(rebalance).fingerprint() for rebalance in ("daily", "weekly", "monthly")}
    prints |= {replace(strategy(), **change).fingerprint() for change in ({"name": "t"}, {"horizon": 10}, {"features": ("a",)})}
    prints.add(replace(strategy(), signal=Rank(horizon=5, long=0.4, short=0.0)).fingerprint())
    assert len(prints) == 7
    assert strategy().fingerprint() == strategy().fingerprint()


def test_a_network_without_torch_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "torch" or "quantdesk.models.networks" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(StrategyError, match=r"torch is not installed[\s\S]*quantdesk\[deep\]"):
        load("lstm", home)


def test_every_shipped_strategy_loads_under_the_name_of_its_file(home: Path) -> None:
    shipped = sorted(path.stem for path in shipped_folder().glob("*.py"))
    assert len(shipped) >= 5
    assert [load(name, home).name for name in shipped] == shipped


SOURCE = (shipped_folder() / "momentum.py").read_text()


def test_a_file_in_the_working_folder_comes_before_the_home_and_before_the_shipped_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(home)["momentum"].parent == shipped_folder().resolve()
    for place in (home, tmp_path):
        (place / "strategies").mkdir()
        (place / "strategies" / "momentum.py").write_text(SOURCE.replace('name="momentum"', f'name="{place.name}"'))
        assert load("momentum", home).name == place.name


def test_a_file_that_begins_with_an_underscore_is_no_strategy(home: Path) -> None:
    (home / "strategies").mkdir()
    (home / "strategies" / "_draft.py").write_text(SOURCE)
    (home / "strategies" / "mine.py").write_text(SOURCE)
    assert "_draft" not in find(home)
    assert "mine" in find(home)


def three_parts(error: StrategyError) -> bool:
    return all((error.what, error.expected, error.action)) and len(str(error).splitlines()) == 3


def test_an_unknown_strategy_is_an_error_that_names_those_there_are(home: Path) -> None:
    with pytest.raises(StrategyError, match=r"no strategy 'momentun'\n.*momentum") as raised:
        load("momentun", home)
    assert three_parts(raised.value)


def test_a_path_that_is_no_file_is_the_same_error(home: Path) -> None:
    with pytest.raises(StrategyError, match="no strategy"):
        load(str(home / "none.py"), home)


def test_a_file_that_defines_no_strategy_is_an_error_that_names_it(home: Path) -> None:
    path = home / "empty.py"
    for text in ("", "STRATEGY = 3\n"):
        path.write_text(text)
        with pytest.raises(StrategyError, match=r"empty.py defines no STRATEGY") as raised:
            load(str(path), home)
        assert three_parts(raised.value)


def test_a_file_that_is_no_python_is_an_error_that_names_its_line(home: Path) -> None:
    path = home / "broken.py"
    path.write_text("x = 1\nSTRATEGY = (\n")
    with pytest.raises(StrategyError, match=r"broken.py, line 2") as raised:
        load(str(path), home)
    assert three_parts(raised.value)


def test_a_strategy_is_loaded_from_a_path_too(home: Path) -> None:
    path = home / "elsewhere.py"
    path.write_text(SOURCE)
    assert load(str(path), home).fingerprint() == load("momentum", home).fingerprint()


def test_features_given_as_a_text_are_refused() -> None:
    with pytest.raises(StrategyError, match=r"the text 'return_1'[\s\S]*\('return_1',\)") as raised:
        replace(strategy(), features="return_1")  # type: ignore[arg-type]
    assert three_parts(raised.value)


def test_a_feature_named_twice_is_refused() -> None:
    with pytest.raises(StrategyError, match="'return_1' 2 times") as raised:
        replace(strategy(), features=("return_1", "return_5", "return_1"))
    assert three_parts(raised.value)


def test_a_feature_of_your_own_among_the_names_is_sent_to_its_place() -> None:
    own = Feature("mine", lambda bars: bars.close, 1, "the close")
    with pytest.raises(StrategyError, match=r"a Feature stands among the names[\s\S]*own_features") as raised:
        replace(strategy(), features=("return_1", own))  # type: ignore[arg-type]
    assert three_parts(raised.value)


WITH_PARTS = """from quantdesk.models.grinold import Grinold
from quantdesk.signals.rank import Rank
class Mine:
    def __init__(self, short=2): ...
"""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("Rank(horizon=5, depth=3)", r"line 5: .*'depth'\n.*Rank\(horizon=5, long=0.2, .*\n  do: correct the line$"),
        ("Grinold()", r"line 5: .*missing .*'feature'\n.*Grinold\(feature, ic="),
        ("Mine(long=1)", r"line 5: .*'long'\n.*Mine\(short=2\)"),
    ],
    ids=["unknown", "missing", "own"],
)
def test_a_choice_that_a_part_does_not_have_is_refused_with_those_it_has(wrong: str, said: str, home: Path) -> None:
    path = home / "wrong.py"
    path.write_text(f"{WITH_PARTS}PART = {wrong}\n")
    with pytest.raises(StrategyError, match=said) as raised:
        load(str(path), home)
    assert three_parts(raised.value)


def test_a_choice_that_a_network_does_not_have_leads_to_the_list_of_networks(home: Path) -> None:
    pytest.importorskip("torch", reason="networks need the extra `deep`")
    path = home / "wrong.py"
    path.write_text("from quantdesk.models.networks import patchtst\n\nNETWORK = patchtst.PatchTST(\n    hidden=3,\n)\n")
    said = r"line 3: PatchTST.*'hidden'\n.*PatchTST\(lookback=60, patch=12.*\n.*`desk networks PatchTST`"
    with pytest.raises(StrategyError, match=said):
        load(str(path), home)


def test_any_other_type_error_of_a_file_is_left_as_it_is(home: Path) -> None:
    path = home / "wrong.py"
    path.write_text("STRATEGY = 1 + 'a'\n")
    with pytest.raises(TypeError, match="unsupported operand"):
        load(str(path), home)
