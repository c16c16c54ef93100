"""The README's first session, run command by command."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from quantdesk.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.removeprefix("$ ")) for line in lines]


def write_prices(path: Path) -> None:
    random = np.random.default_rng(3)
    days = np.arange("2018-01-01", "2021-06-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    header = "Date," + ",".join(f"S{i}" for i in range(8))
    closes = 50 * np.exp(np.cumsum(random.normal(0, 0.012, (len(days), 8)), axis=0))
    rows = [f"{day}," + ",".join(f"{close:.2f}" for close in row) for day, row in zip(days, closes, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")


def test_every_command_of_the_first_session_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    write_prices(tmp_path / "prices.csv")
    found = commands()
    assert len(found) >= 8
    for command in found:
        assert command[0] == "desk"
        assert main(command[1:]) == 0, command


def test_every_linked_page_and_picture_exists() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
