"""Make a run again from its receipt, and say whether the same came out; where not, what changed beneath it."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantdesk import registry
from quantdesk.data import events, quality, store
from quantdesk.domain.errors import DataError, LedgerError, StrategyError
from quantdesk.domain.panel import Panel
from quantdesk.domain.progress import Tell, silent
from quantdesk.evaluation.evaluate import evaluate
from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.receipt import NAME, Number, Receipt, file_digest, observed
from quantdesk.evaluation.revision import revision
from quantdesk.evaluation.sketch import Sketch
from quantdesk.registry import Trial, Trials
from quantdesk.strategy import load

HEADLINES = ("grade", "net_sharpe", "gross_sharpe", "deflated_sharpe", "max_drawdown", "turnover", "cost_bps", "rank_ic_mean")
"""Differences named first."""

Value = Number | str


@dataclass(frozen=True)
class Difference:
    """Name one number, digest or grade that came out otherwise; None where there is none."""

    name: str
    before: Value
    now: Value


@dataclass(frozen=True)
class Verification:
    """Hold what making a run again gave.

    Parameters
    ----------
    run_id, strategy, data : str
        The run, its strategy's name, its data as it was asked for.
    explanation : tuple of str
        What changed beneath it since: data, code, environment; a sentence each.
    differences : tuple of Difference
        What came out otherwise, the headline numbers first.
    n_numbers, n_arrays : int
        How many were compared, bit for bit.
    """

    run_id: str
    strategy: str
    data: str
    explanation: tuple[str, ...]
    differences: tuple[Difference, ...]
    n_numbers: int
    n_arrays: int

    @property
    def is_identical(self) -> bool:
        """Tell whether every number and array came out the same to the bit."""
        return not self.differences


def verify(run: str, home: Path, tell: Tell = silent) -> Verification:
    """Make a run again as it was: its strategy's text, its choices, the trials then known. Nothing is counted or kept.

    Parameters
    ----------
    run : str
        The run's id, the beginning of it, or the folder it was kept in.
    home : Path
        The desk's folder.
    tell : Tell
        Hears of progress.

    Raises
    ------
    DeskError
        If there is no such run, or its receipt, data or trials are missing or were altered.
    """
    folder = folder_of(run, home)
    receipt = Receipt.read(folder)
    known = _known(receipt, home)
    panel = _panel(receipt, home)
    explanation = (*_data_changed(receipt, folder, panel), *_code_changed(receipt))
    evaluation = _again(receipt, panel, known, home, tell)
    numbers, digests = observed(evaluation)
    grade = {"grade": (receipt.grade, evaluation.verdict.grade)}
    differences = [Difference(name, *pair) for name, pair in grade.items() if pair[0] != pair[1]]
    differences += _edited(receipt, folder)
    differences += [*_differences(receipt.numbers, numbers), *_differences(receipt.digests, digests)]
    return Verification(
        receipt.run_id,
        receipt.strategy,
        receipt.data,
        explanation,
        tuple(sorted(differences, key=_prominence)),
        len(receipt.numbers),
        len(receipt.digests),
    )


def _edited(receipt: Receipt, folder: Path) -> list[Difference]:
    now = {name: file_digest(folder / name) for name in receipt.files}
    return [
        Difference(f"file {name}", receipt.files[name], now[name] or "gone") for name in now if now[name] != receipt.files[name]
    ]


def folder_of(run: str, home: Path) -> Path:
    """Find the folder in which a run was kept.

    Raises
    ------
    DeskError
        If there is none, or the beginning of an id fits several runs.
    """
    if (Path(run) / NAME).is_file():
        return Path(run)
    kept = {folder.name for folder in (home / "runs").glob("[!.]*") if folder.is_dir()}
    listed = {trial.run_id for trial in Trials(home).made()}
    run_id = registry.whole_run_id(run, kept | listed)
    if run_id not in kept:
        raise DataError(
            f"run {run_id} was counted, but is not kept under {home / 'runs'}",
            "a folder with its receipt",
            "name the folder that it was written to with --out",
        )
    return home / "runs" / run_id


def _panel(receipt: Receipt, home: Path) -> Panel:
    panel = store.load(receipt.data, home)
    if receipt.symbols is None:
        return quality.gate(panel)
    # An instrument that is gone is part of what there is to tell.
    still = tuple(symbol for symbol in receipt.symbols if symbol in panel.symbols)
    return quality.gate(events.chosen(panel, still or receipt.symbols))


def _known(receipt: Receipt, home: Path) -> list[Trial]:
    made = Trials(home).made()
    own = made[receipt.trials_before] if receipt.trials_before < len(made) else None
    if own is None or own.run_id != receipt.run_id:
        raise LedgerError(
            f"row {receipt.trials_before + 1} of the trial ledger {home / 'desk.db'} is not run {receipt.run_id}",
            "the ledger in which the run was counted",
            "set DESK_HOME to the desk that made the run",
        )
    return made[: receipt.trials_before]


def _again(receipt: Receipt, panel: Panel, known: list[Trial], home: Path, tell: Tell) -> Evaluation:
    if not receipt.strategy_text:
        raise StrategyError(
            f"the strategy of run {receipt.run_id} came from no file", "a strategy file", "put it into one, and evaluate it"
        )
    with tempfile.TemporaryDirectory() as folder:
        # Errors name a strategy by its file.
        path = Path(folder) / f"{re.sub(r'[^0-9A-Za-z_]', '_', receipt.strategy)}.py"
        path.write_bytes(receipt.strategy_text.encode(errors="surrogateescape"))
        evaluation, _ = evaluate(load(str(path), home), panel, receipt.plan(home), tell, known=known)
    return evaluation


def _data_changed(receipt: Receipt, folder: Path, panel: Panel) -> tuple[str, ...]:
    if panel.fingerprint() == receipt.fingerprint:
        return ()
    return f"the data changed: {panel.name} had fingerprint {receipt.fingerprint} and has {panel.fingerprint()}", *revision(
        Sketch.read(folder), panel
    )


def _code_changed(receipt: Receipt) -> Iterator[str]:
    code = registry.fingerprint_code(Path(__file__).parents[1])
    if code != receipt.code:
        yield f"the desk's code changed: digest {receipt.code} then, {code} now"
    now = registry.environment()
    for name in sorted(now.keys() | receipt.environment.keys()):
        before, after = receipt.environment.get(name, "none"), now.get(name, "none")
        if before != after:
            yield f"the environment changed: {name} {before} then, {after} now"


def _differences(before: Mapping[str, Value], now: Mapping[str, Value]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *now)):
        if name not in before or name not in now or before[name] != now[name]:
            yield Difference(name, before.get(name), now.get(name))


def _prominence(difference: Difference) -> int:
    return HEADLINES.index(difference.name) if difference.name in HEADLINES else len(HEADLINES)
