"""The commands as a person meets them: what they print, what they refuse, what they leave behind."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from quantdesk.cli import main
from quantdesk.registry import Trials

N_DAYS, SYMBOLS = 700, ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def price_rows() -> list[list[str]]:
    random = np.random.default_rng(5)
    days = np.arange("2020-01-01", "2023-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)][:N_DAYS]
    rows = []
    for symbol in SYMBOLS:
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(days))))
        open_ = np.concatenate([[100.0], close[:-1]])
        high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
        for day, *values in zip(days, open_, high, low, close, strict=True):
            rows.append([str(day), symbol, *(f"{value:.3f}" for value in values), "100000"])
    return rows


def write_csv(path: Path, rows: list[list[str]], header: str = "Date,Symbol,Open,High,Low,Close,Volume") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    return path


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    _, sign, shown = capsys.readouterr().err.rpartition("error: ")
    assert sign
    assert "expected:" in shown
    assert "do:" in shown
    return shown


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_ingested_checked_evaluated_and_turned_into_orders(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_csv(home.parent / "prices.csv", price_rows())
    assert main(["ingest", str(source), "--name", "mine"]) == 0
    assert "8 instruments" in capsys.readouterr().out
    assert main(["check", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_refused"] == 0
    assert main(["evaluate", "linear", "--data", "mine", "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [line.split("  ")[1] for line in told.err.splitlines()][:2] == ["computing features", "trading persistence"]
    assert found["n_trials"] == 1
    assert found["gross_sharpe"] >= found["net_sharpe"]
    assert set(found["baselines"]) == {"buy and hold", "equal weight", "persistence", "linear"}
    assert all("net_sharpe" in baseline for baseline in found["baselines"].values())
    named = {"run_id", "verdict", "deflated_sharpe", "max_drawdown", "turnover", "cost_bps", "ic_mean", "rank_ic_mean"}
    assert named | {"interval_coverage", "report"} <= set(found)
    assert Path(found["report"]).read_text().startswith("<!doctype html>")
    assert main(["orders", "linear", "--data", "mine", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["proposals"]
    assert card["standing"].startswith("evaluated here (run ")


def test_each_evaluation_counts_as_a_trial_and_a_run_can_be_repeated_to_the_bit(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=10", "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["n_trials"], second["n_trials"]) == (1, 2)
    assert first["run_id"] == second["run_id"]
    for name in ("net_sharpe", "gross_sharpe", "ic_mean", "turnover", "interval_coverage", "baselines", "forecast_scores"):
        assert first[name] == second[name], name


def test_runs_are_recorded_with_scores_report_and_model(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlflow import MlflowClient

    assert main(["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=10", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    group = client.get_experiment_by_name("momentum")
    assert group is not None
    run = client.search_runs([group.experiment_id])[0]
    assert run.data.metrics["net_sharpe"] == pytest.approx(found["net_sharpe"])
    assert run.data.params["run_id"] == found["run_id"]
    kept = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert kept == {"evaluation.json", "fitted.pkl", "report.html", "track.csv"}


@pytest.mark.parametrize("command", ["strategies", "models", "networks", "features", "doctor"])
def test_lists_are_printed_for_people_and_for_machines(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    assert found
    assert all("name" in one or "what" in one for one in found)
    assert main([command]) == 0
    assert len(capsys.readouterr().out.splitlines()) > len(found)


def test_a_network_is_shown_with_what_its_choices_mean(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks", "patchtst"]) == 0
    shown = capsys.readouterr().out
    assert "Times in a patch." in shown
    assert "from quantdesk.models.networks.patchtst import PatchTST" in shown
    assert main(["networks", "PatchTST", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name": "stride", "kind": "int", "default": "6"}.items() <= found["choices"][2].items()
    assert main(["networks", "patch"]) == 2
    assert "no network 'patch'" in (told := complaint(capsys))
    assert "PatchTST" in told


def test_a_data_set_is_replaced_only_when_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_csv(home.parent / "prices.csv", price_rows())
    assert main(["ingest", str(source), "--name", "mine"]) == 0
    assert main(["ingest", str(source), "--name", "mine"]) == 2
    assert "--replace" in complaint(capsys)
    assert main(["ingest", str(source), "--name", "mine", "--replace"]) == 0


def test_a_broken_strategy_file_is_listed_as_such_beside_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "torn.py").write_text("STRATEGY = (\n")
    assert main(["strategies", "--json"]) == 0
    found = {one["name"]: one["description"] for one in json.loads(capsys.readouterr().out)}
    assert found["torn"].startswith("cannot be loaded")
    assert found["momentum"].startswith("Buys")


def test_a_model_that_reads_the_labels_it_is_judged_by_is_found_out(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "cheat.py").write_text(
        "from dataclasses import dataclass, replace\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from quantdesk.domain.forecast import Forecasts\n"
        "from quantdesk.strategy import load\n"
        "BASE = load('momentum', Path('.'))\n"
        "@dataclass(frozen=True)\n"
        "class Seer:\n"
        "    inner: object\n"
        "    lookback = 1\n"
        "    def forecast(self, dataset):\n"
        "        made = self.inner.forecast(dataset)\n"
        "        peek = np.nan_to_num(dataset.labels)[..., None]\n"
        "        return Forecasts(made.times, made.symbols, made.horizons, made.quantiles + peek)\n"
        "    def contributions(self, dataset):\n"
        "        return self.inner.contributions(dataset)\n"
        "    def importance(self):\n"
        "        return self.inner.importance()\n"
        "@dataclass(frozen=True)\n"
        "class Cheat:\n"
        "    model: object\n"
        "    def fit(self, dataset, seed):\n"
        "        return Seer(self.model.fit(dataset, seed))\n"
        "STRATEGY = replace(BASE, model=Cheat(BASE.model))\n"
    )
    assert main(["evaluate", "cheat.py", "--data", "synthetic:n_days=900,n_instruments=10"]) == 2
    assert "with the future at hand" in complaint(capsys)
    assert files_under(home) == []


def test_changing_a_strategy_file_or_the_seed_is_another_try(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", "synthetic:n_days=900,n_instruments=10", "--json"]
    source = "from dataclasses import replace\nfrom pathlib import Path\nfrom quantdesk.strategy import load\n"
    tries = []
    for comment, seed in (("", "0"), ("# changed\n", "0"), ("", "1"), ("", "1")):
        (home.parent / "mine.py").write_text(source + comment + "STRATEGY = load('momentum', Path('.'))\n")
        assert main(["evaluate", "mine.py", "--seed", seed, *data]) == 0
        found = json.loads(capsys.readouterr().out)
        tries.append((found["n_trials"], found["n_effective_trials"]))
    # Their returns are the same, so together they are worth one.
    assert [n for n, _ in tries] == [1, 2, 3, 4]
    assert [effective for _, effective in tries] == pytest.approx([1.0] * 4)
    assert main(["evaluate", "mine.py", "--symbols", ",".join(f"S{i:03d}" for i in range(8)), *data]) == 0
    assert json.loads(capsys.readouterr().out)["n_trials"] == 5


def test_the_shipped_strategies_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategies", "--json"]) == 0
    names = {one["name"] for one in json.loads(capsys.readouterr().out)}
    assert {"momentum", "mean_reversion", "breakout", "linear", "boosted", "lstm"} <= names


def faulty_rows(fault: str) -> list[list[str]]:
    rows = price_rows()
    if fault == "a negative price":
        rows[100][5] = "-3.5"
    elif fault == "high below low":
        rows[100][3], rows[100][4] = "50", "60"
    elif fault == "duplicated stamps":
        rows.insert(50, list(rows[50]))
    elif fault == "unsorted times":
        rows[50], rows[60] = rows[60], rows[50]
    elif fault == "a naive time zone":
        rows = [[f"{row[0]} 15:30:00", *row[1:]] for row in rows]
    elif fault == "a bad tick":
        rows[300][5] = rows[300][4] = "2.95"
    return rows


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("a negative price", "-3.5"),
        ("high below low", "below the low"),
        ("duplicated stamps", "second bar"),
        ("unsorted times", "--sort"),
        ("a naive time zone", "--timezone"),
        ("a bad tick", "2.95"),
    ],
)
def test_bad_bars_are_refused_with_what_was_found_and_nothing_is_kept(
    fault: str, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_csv(home.parent / "bad.csv", faulty_rows(fault))
    assert main(["ingest", str(source), "--name", "bad"]) == 2
    assert said in complaint(capsys)
    assert files_under(home.parent) == ["bad.csv"]


def test_an_empty_file_and_a_missing_column_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "empty.csv").touch()
    assert main(["ingest", "empty.csv", "--name", "bad"]) == 2
    assert "empty" in complaint(capsys)
    write_csv(home.parent / "narrow.csv", [[row[0], row[1], row[6]] for row in price_rows()], "Date,Symbol,Volume")
    assert main(["ingest", "narrow.csv", "--name", "bad"]) == 2
    assert "--map close=" in complaint(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "nope"], "boosted"),
        (["evaluate", "linear", "--data", "nope"], "desk ingest"),
        (["evaluate", "linear", "--symbols", "AAPL,ZZZZ"], "ZZZZ"),
        (["evaluate", "linear", "--symbols", " , "], "--symbols ' , ' names no instrument"),
        (["orders", "linear", "--symbols", ","], "names no instrument"),
        (["leakcheck", "linear", "--symbols", ""], "--symbols '' names no instrument"),
        (["evaluate", "linear", "--symbols", "AAPL, AAPL"], "Rank of strategy 'linear' has AAPL alone to rank"),
        (["orders", "linear", "--symbols", "AAPL"], "2 instruments or more"),
        (["evaluate", "linear", "--data", "synthetic:ic=9"], "0.0 to 0.2"),
        (["orders", "linear", "--positions", "nowhere.csv"], "nowhere.csv"),
        (["ingest", "nowhere.csv", "--name", "x"], "nowhere.csv"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    arguments: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in complaint(capsys)


def test_a_strategy_that_raises_is_named_with_file_and_line_and_nothing_is_recorded(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.parent / "broken.py").write_text(
        "from dataclasses import dataclass, replace\n"
        "from pathlib import Path\n"
        "from quantdesk.strategy import load\n"
        "@dataclass(frozen=True)\n"
        "class Broken:\n"
        "    lookback = 1\n"
        "    def weights(self, signal, forecast, panel):\n"
        "        raise ZeroDivisionError('of my own making')\n"
        "STRATEGY = replace(load('momentum', Path('.')), sizing=Broken())\n"
    )
    assert main(["evaluate", "broken.py", "--data", "synthetic:n_days=900,n_instruments=10"]) == 2
    said = complaint(capsys)
    assert "broken.py:8" in said
    assert "of my own making" in said
    assert files_under(home) == []


def test_a_file_that_is_no_strategy_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "torn.py").write_text("STRATEGY = (\n")
    assert main(["evaluate", "torn.py"]) == 2
    assert "line 1" in complaint(capsys)
    (home.parent / "bare.py").write_text("x = 1\n")
    assert main(["evaluate", "bare.py"]) == 2
    assert "STRATEGY" in complaint(capsys)


def run_in_child(home: Path, arguments: list[str], limit_bytes: int) -> "subprocess.CompletedProcess[str]":
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}));"
        f"from quantdesk.cli import main; sys.exit(main({arguments!r}))"
    )
    environment = {**os.environ, "DESK_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system cannot limit file sizes")
@pytest.mark.parametrize("limit_bytes", [20_000, 400_000])
def test_a_disk_that_takes_no_more_leaves_no_half_written_run(limit_bytes: int, home: Path) -> None:
    arguments = ["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=10"]
    ended = run_in_child(home, arguments, limit_bytes)
    assert ended.returncode == 2
    assert "do:" in ended.stderr
    assert "ours" not in ended.stderr
    assert [name for name in files_under(home) if not name.startswith("desk.db")] == []


def test_a_disk_that_takes_no_more_leaves_the_earlier_data_set_as_it_was(home: Path) -> None:
    source = write_csv(home.parent / "prices.csv", price_rows())
    assert main(["ingest", str(source), "--name", "mine"]) == 0
    before = {name: (home / name).read_bytes() for name in files_under(home)}
    ended = run_in_child(home, ["ingest", str(source), "--name", "mine", "--replace"], 5_000)
    assert ended.returncode == 2
    assert "do:" in ended.stderr
    assert {name: (home / name).read_bytes() for name in files_under(home)} == before


def test_ctrl_c_in_the_middle_ends_cleanly_and_keeps_nothing(home: Path) -> None:
    program = "import sys; from quantdesk.cli import main; sys.exit(main(['evaluate', 'boosted', '--data', 'synthetic']))"
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "DESK_HOME": str(home)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert f"are kept in {home / 'kept'} for 30 days; the same command goes on from there".encode() in said
    assert b"Traceback" not in said
    assert not home.exists() or all(name.startswith("kept/") and name.endswith(".pkl") for name in files_under(home))


def test_an_altered_trial_ledger_is_reported_by_the_next_evaluation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    command = ["evaluate", "momentum", "--data", "synthetic:n_days=900,n_instruments=10", "--json"]
    assert main(command) == 0
    with sqlite3.connect(Trials(home).path) as connection:
        connection.execute("UPDATE trials SET body = replace(body, 'momentum', 'something')")
    capsys.readouterr()
    assert main(command) == 2
    assert "row 1" in complaint(capsys)


def test_help_starts_quickly_because_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; from quantdesk.cli import main; main(['--help']);"
        "heavy = {'numpy', 'polars', 'sklearn', 'lightgbm', 'mlflow', 'numba', 'rich', 'pydantic', 'pandas'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
