"""Run freqtrade as a program, in an environment of its own and without an exchange."""

import csv
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from freqtrade_cases.layout import PAIR
from quantdesk.domain.errors import DeskError


class ProgramError(DeskError):
    """Say that the other program cannot be installed or run."""


@dataclass(frozen=True)
class Answer:
    """Say what freqtrade answered about one strategy.

    Parameters
    ----------
    verdict : str
        ``biased``, ``clean``, or ``refused`` where it found too few trades.
    where : str
        The command and what it named, empty where it named nothing.
    """

    verdict: str
    where: str = ""


@dataclass(frozen=True)
class Program:
    """Hold where freqtrade is installed and where it works.

    Parameters
    ----------
    environment : Path
        Its virtual environment.
    home : Path
        Folder of configuration, candles and strategies.
    """

    environment: Path
    home: Path

    @property
    def path(self) -> Path:
        """Return the path of the program."""
        return self.environment / "bin" / "freqtrade"

    def version(self) -> str:
        """Ask the program for its version, such as ``2026.9``."""
        found = [line for line in self.run("--version").splitlines() if line.startswith("Freqtrade Version")]
        return found[0].split()[-1]

    def run(self, *arguments: str) -> str:
        """Run the program and return all that it printed.

        Raises
        ------
        ProgramError
            If it fails.
        """
        paths = f"{self.home / 'offline'}{os.pathsep}{Path(__file__).resolve().parents[1]}"
        settings = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "250", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(  # the program's own messages go to both streams
            [str(self.path), *arguments],
            cwd=self.home,
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise ProgramError(f"freqtrade {arguments[0]}: {done.stdout[-600:]}", "an answer", "read what it says")
        return done.stdout


def installed(environment: Path, home: Path) -> Program:
    """Find freqtrade in its environment, or make the environment.

    Raises
    ------
    ProgramError
        If it is not there and cannot be fetched.
    """
    program = Program(environment, home)
    if program.path.exists():
        return program
    print(f"installing freqtrade into {environment}", file=sys.stderr)
    venv.create(environment, with_pip=True)
    fetch = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q", "freqtrade"]
    done = subprocess.run(fetch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise ProgramError(
            f"freqtrade cannot be installed into {environment}: {done.stdout[-400:]}",
            "pip and its package index",
            "connect to a network, or name an environment that has it by --environment",
        )
    return program


def ask(program: Program, name: str, span: str, is_second: bool) -> Answer:
    """Ask freqtrade's lookahead-analysis about a strategy, and its recursive-analysis where the first names nothing.

    Parameters
    ----------
    program : Program
        Installed and laid out.
    name : str
        The strategy.
    span : str
        The time range, in freqtrade's own notation.
    is_second : bool
        Whether to ask the second command too.
    """
    places = ("--userdir", str(program.home), "-c", str(program.home / "config.json"), "--timerange", span)
    common = (*places, "--strategy-path", str(program.home / "strategies" / name), "--strategy", name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.csv"
        said = program.run("lookahead-analysis", *common, "--lookahead-analysis-exportfilename", str(path))
        rows = list(csv.DictReader(path.open())) if path.exists() else []
    if not rows and "too few trades" not in said:
        raise ProgramError(f"freqtrade said nothing of {name}: {said[-600:]}", "a row of its table", "read what it says")
    if not rows:
        return Answer("refused", "too few trades")
    answer = first_answer(rows[0])
    if answer.verdict == "clean" and is_second:
        return second_answer(program.run("recursive-analysis", *common, "-p", PAIR))
    return answer


def first_answer(row: dict[str, str]) -> Answer:
    """Read one row of the table that lookahead-analysis exports."""
    if row["has_bias"] != "True":
        return Answer("clean")
    signals = int(row["biased_entry_signals"]) + int(row["biased_exit_signals"])
    return Answer("biased", f"lookahead-analysis: {signals} signals; columns {row['biased_indicators'] or 'none'}")


def second_answer(said: str) -> Answer:
    """Read what recursive-analysis printed; a start that matters is no look ahead, and not counted."""
    return Answer("biased", "recursive-analysis") if "found lookahead in indicator" in said else Answer("clean")
