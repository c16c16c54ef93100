"""The receipt of a run: all that is needed to make it again, and digests of all that came out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantdesk import registry
from quantdesk.domain.errors import DataError, DeskError
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.explanation.summary import arrays as arrays_of
from quantdesk.evaluation.outcome import Evaluation
from quantdesk.evaluation.plan import Plan
from quantdesk.evaluation.summary import summarise
from quantdesk.execution.costs import Costs
from quantdesk.registry import Trials
from quantdesk.strategy import Strategy

NAME = "receipt.json"
"""The receipt's file in a run's folder."""

NOT_CHOICES = ("home", "compute")
"""Parts of a plan that change no number."""

NOT_NUMBERS = ("seconds", "spent", "report")
"""Parts of a summary that differ each time."""

Number = int | float | None


@dataclass(frozen=True)
class Receipt:
    """Hold what went into a run, and digests of what came out.

    Parameters
    ----------
    run_id : str
        The run.
    strategy, strategy_text, strategy_digest : str
        The strategy's name, the text of its file, and the digest of that file.
    data : str
        The data set as it was asked for, such as ``sample`` or ``synthetic:seed=3``.
    symbols : tuple of str or None
        The instruments chosen from it; None is all.
    fingerprint : str
        Digest of the data.
    choices : dict
        Everything else that was chosen: the plan without its folder and its machines.
    code : str
        Digest of the desk's own source.
    environment : dict of str to str
        Versions of what the numbers depend on.
    trials_before : int
        Rows of the trial ledger when the run was judged.
    grade : str
        The verdict's.
    numbers : dict of str to number or None
        Every number of the summary, such as ``performance.sharpe``.
    digests : dict of str to str
        SHA-256 of each array that came out.
    files : dict of str to str
        SHA-256 of each file written beside the receipt.
    """

    run_id: str
    strategy: str
    strategy_text: str
    strategy_digest: str
    data: str
    symbols: tuple[str, ...] | None
    fingerprint: str
    choices: dict[str, Any]
    code: str
    environment: dict[str, str]
    trials_before: int
    grade: str
    numbers: dict[str, Number]
    digests: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)

    def plan(self, home: Path) -> Plan:
        """Return the plan of the run, to be made again with the trials of ``home``.

        Raises
        ------
        DeskError
            If the receipt names a choice that the desk no longer has.
        """
        choices = dict(self.choices)
        try:
            return Plan(home, Costs(**choices.pop("costs")), **choices)
        except (TypeError, KeyError) as error:
            raise DeskError(
                f"the receipt of run {self.run_id} holds choices unknown here: {error}",
                "a receipt of this version of the desk",
                "verify it with the version that wrote it",
            ) from error

    def over(self, files: Iterable[Path]) -> "Receipt":
        """Return the same receipt with the digests of files that it now answers for."""
        return replace(self, files={path.name: file_digest(path) for path in files})

    def write(self, folder: Path) -> Path:
        """Write the receipt, with a digest of itself, as ``receipt.json``."""
        body = asdict(self)
        path = folder / NAME
        path.write_text(json.dumps({**body, "sha256": _own_digest(body)}, indent=1, allow_nan=False))
        return path

    @classmethod
    def read(cls, folder: Path) -> "Receipt":
        """Read the receipt in a run's folder.

        Raises
        ------
        DataError
            If there is none, or it was edited.
        """
        path = folder / NAME
        if not path.is_file():
            raise DataError(
                f"run {folder.name} has no receipt in {folder}",
                f"a {NAME}, as every run that can be verified has",
                "evaluate the strategy again: a run of an older version cannot be verified",
            )
        try:
            body = json.loads(path.read_text())
            written = body.pop("sha256")
            if written != _own_digest(body):
                raise ValueError("it was edited after it was written")
            symbols = body.pop("symbols")
            return cls(**body, symbols=None if symbols is None else tuple(symbols))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"receipt {path}: {error}", "the file as the run left it", "restore it from a backup, or evaluate again"
            ) from error


def file_digest(path: Path) -> str:
    """Digest a file; empty where it is gone."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def receipt_of(
    evaluation: Evaluation, strategy: Strategy, plan: Plan, asked: str, symbols: Iterable[str] | None = None
) -> Receipt:
    """Write down what a run was made from, and what came out. Its trial must have been counted.

    Parameters
    ----------
    evaluation : Evaluation
        What came out.
    strategy : Strategy
        As loaded from its file.
    plan : Plan
        How it was evaluated.
    asked : str
        The data set, as it was asked for.
    symbols : iterable of str, optional
        The instruments chosen from it; all by default.
    """
    numbers, digests = observed(evaluation)
    return Receipt(
        run_id=evaluation.run_id,
        strategy=strategy.name,
        strategy_text=strategy.text,
        strategy_digest=strategy.source,
        data=asked,
        symbols=tuple(symbols) if symbols else None,
        fingerprint=evaluation.fingerprint,
        choices=_choices(plan),
        code=registry.fingerprint_code(Path(__file__).parents[1]),
        environment=registry.environment(),
        trials_before=_place(evaluation.run_id, plan.home),
        grade=evaluation.verdict.grade,
        numbers=numbers,
        digests=digests,
    )


def observed(evaluation: Evaluation) -> tuple[dict[str, Number], dict[str, str]]:
    """Return every number of an evaluation by name, and a digest of every array."""
    summary = {name: value for name, value in summarise(evaluation, Path()).items() if name not in NOT_NUMBERS}
    track = evaluation.track
    arrays = {
        "forecasts": evaluation.forecasts.quantiles,
        "equity": track.equity,
        "gross exposure": track.gross_exposure,
        "net exposure": track.net_exposure,
        "turnover": track.turnover,
        "costs": track.costs,
        "importance": evaluation.importance,
        **(arrays_of(evaluation.evidence.explanation) if evaluation.evidence.explanation else {}),
        **{f"equity of {name}": baseline.equity for name, baseline in evaluation.baselines.items()},
    }
    digests = {name: array_digest(values) for name, values in arrays.items()}
    return dict(_numbers("", summary)), {**digests, "fills": _fills_digest(evaluation.fills)}


def array_digest(values: NDArray[np.float64]) -> str:
    """Digest shape and values (SHA-256); one NaN is like another."""
    digest = hashlib.sha256(repr(values.shape).encode())
    for block in np.array_split(np.ascontiguousarray(values, dtype=np.float64).ravel(), max(1, values.size // 2**14)):
        digest.update(np.where(np.isnan(block), np.nan, block).data)
    return digest.hexdigest()


def _own_digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _choices(plan: Plan) -> dict[str, Any]:
    chosen = {part.name: getattr(plan, part.name) for part in fields(plan) if part.name not in NOT_CHOICES}
    return {**chosen, "costs": asdict(plan.costs)}


def _place(run_id: str, home: Path) -> int:
    # The run's own row is the last one with its id; what stands above it was known when it was judged.
    made = Trials(home).made()
    own = [place for place, trial in enumerate(made) if trial.run_id == run_id]
    return own[-1] if own else len(made)


def _numbers(name: str, value: object) -> Iterable[tuple[str, Number]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _numbers(f"{name}.{key}" if name else str(key), part)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _numbers(f"{name}.{place}", part)
    elif value is None or isinstance(value, int | float | np.number):
        plain = value.item() if isinstance(value, np.number) else value
        yield name, plain if plain is None or np.isfinite(plain) else None


def _fills_digest(fills: tuple[Fill, ...]) -> str:
    digest = hashlib.sha256(np.array([fill.time for fill in fills], dtype="datetime64[ns]").view(np.int64).data)
    for fill in fills:
        digest.update(f"{fill.order_id}\t{fill.symbol}\t{fill.quantity}\t{fill.price}\t{fill.fee}\n".encode())
    return digest.hexdigest()
