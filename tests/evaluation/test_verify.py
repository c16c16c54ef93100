"""Runs made again from their receipts: the same to the bit, or an explanation of what changed beneath them."""

import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kept_runs import SMALL, Kept, kept

from quantdesk import registry
from quantdesk.data import store
from quantdesk.domain.arrays import Float64
from quantdesk.domain.errors import DataError, DeskError, LedgerError, StrategyError
from quantdesk.evaluation import verify as verification
from quantdesk.evaluation.receipt import Receipt
from quantdesk.evaluation.verify import Verification, verify
from quantdesk.registry import Trial, Trials

FIVE = ("AAPL", "GE", "KO", "PG", "XOM")


def restated(run: Kept, **fields: Float64) -> Verification:
    """Verify the run after its data set was replaced by one with these fields."""
    changed = replace(run.panel, fields={**run.panel.fields, **fields})
    store.save(changed, run.home)
    return verify(run.evaluation.run_id, run.home)


def resigned(run: Kept, **changed: object) -> None:
    """Put another receipt, whose own digest holds, in place of the run's."""
    replace(Receipt.read(run.folder), **changed).write(run.folder)  # type: ignore[arg-type]


def made_again_the_same(run: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the work where a test is about something else."""
    monkeypatch.setattr(verification, "_again", lambda *_: run.evaluation)


@pytest.mark.parametrize(("data", "symbols"), [(SMALL, ()), ("real", FIVE)])
def test_linear_made_again_gives_the_same_to_the_bit(data: str, symbols: tuple[str, ...], tmp_path: Path) -> None:
    run = kept(tmp_path, data, symbols)
    found = verify(run.evaluation.run_id, run.home)
    assert found.is_identical
    assert not [line for line in found.explanation if "code" not in line]
    assert found.n_numbers > 100
    assert found.n_arrays == 13


def test_a_run_is_made_again_after_its_strategys_file_changed(tmp_path: Path) -> None:
    run = kept(tmp_path)
    (run.home / "strategies" / "mine.py").write_text("STRATEGY = None\n")
    assert verify(run.evaluation.run_id, run.home).is_identical


def test_verifying_counts_no_trial_and_reads_only_those_known_then(tmp_path: Path) -> None:
    run = kept(tmp_path)
    trials = Trials(run.home)
    for sharpe in (0.1, 0.9, -0.4, 1.2):
        trials.add(
            Trial(run.evaluation.fingerprint, "other", "later", sharpe, "no evidence of an edge", f"later {sharpe}", "mine")
        )
    assert verify(run.evaluation.run_id, run.home).is_identical
    assert len(trials.made()) == 5


def test_a_price_changed_by_one_cent_is_named_with_its_place_and_both_values(tmp_path: Path) -> None:
    run = kept(tmp_path)
    close = run.panel.fields["close"].copy()
    row = int(np.flatnonzero(np.isfinite(close[:, 2]))[333])
    close[row, 2] += 0.01
    high = np.fmax(run.panel.fields["high"], close)
    found = restated(run, close=close, high=high)
    named = next(line for line in found.explanation if line.startswith("close of S002"))
    assert f"{run.panel.times[row].astype('datetime64[D]')}: single values corrected" in named
    assert f"was {run.panel.fields['close'][row, 2]:.10g} and is {close[row, 2]:.10g}" in named
    assert {"forecasts", "equity"} & {difference.name for difference in found.differences}


def test_prices_adjusted_for_dividends_are_explained_as_such_and_headline_numbers_come_first(tmp_path: Path) -> None:
    run = kept(tmp_path)
    steps = np.array([100, 220, 340, 460])
    factor = np.prod(np.where(np.arange(len(run.panel.times))[:, None] < steps, 0.99, 1.0), axis=1)[:, None]
    found = restated(run, **{name: run.panel.fields[name] * factor for name in ("open", "high", "low", "close")})
    assert any("adjusted for dividends" in line and "no longer" not in line for line in found.explanation)
    assert found.differences[0].name in verification.HEADLINES
    assert found.differences[0].before != found.differences[0].now


def test_instruments_that_are_gone_are_named(tmp_path: Path) -> None:
    run = kept(tmp_path, "real", FIVE)
    store.save(run.panel.select(FIVE[1:]), run.home)
    found = verify(run.evaluation.run_id, run.home)
    assert "1 instrument gone: AAPL" in found.explanation
    assert not found.is_identical


def test_a_changed_code_and_environment_are_named_and_the_run_is_compared_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept(tmp_path)
    made_again_the_same(run, monkeypatch)
    others = {**registry.environment(), "numpy": "1.0"}
    monkeypatch.setattr(registry, "fingerprint_code", lambda _root: "0" * 16)
    monkeypatch.setattr(registry, "environment", lambda: others)
    found = verify(run.evaluation.run_id, run.home)
    code, numpy = found.explanation
    assert "code changed" in code
    assert "0" * 16 in code
    assert f"numpy {np.__version__} then, 1.0 now" in numpy
    assert found.is_identical


def test_another_number_or_array_than_the_receipt_says_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept(tmp_path)
    made_again_the_same(run, monkeypatch)
    receipt = Receipt.read(run.folder)
    numbers = {**receipt.numbers, "net_sharpe": 9.0}
    resigned(run, numbers=numbers, digests={**receipt.digests, "fills": "0"}, grade="evidence")
    found = verify(run.evaluation.run_id, run.home)
    assert [difference.name for difference in found.differences] == ["grade", "net_sharpe", "fills"]
    assert found.differences[1].before == 9.0
    assert found.differences[1].now == run.evaluation.performance.sharpe


def test_the_beginning_of_a_run_id_is_enough_and_so_is_its_folder(tmp_path: Path) -> None:
    run = kept(tmp_path)
    assert verification.folder_of(run.evaluation.run_id[:5], run.home) == run.folder
    assert verification.folder_of(str(run.folder), run.home / "elsewhere") == run.folder


def test_an_unknown_run_is_an_error_of_three_parts(tmp_path: Path) -> None:
    run = kept(tmp_path)
    with pytest.raises(DeskError, match="no run 'zzz'"):
        verify("zzz", run.home)


def test_a_run_that_was_counted_but_is_not_kept_is_an_error_of_three_parts(tmp_path: Path) -> None:
    Trials(tmp_path).add(Trial("data", "strategy", "name", 0.0, "no evidence of an edge", "abcdef", "mine"))
    with pytest.raises(DataError, match="run abcdef was counted, but is not kept"):
        verify("abc", tmp_path)


def test_a_run_without_a_receipt_is_an_error_of_three_parts(tmp_path: Path) -> None:
    run = kept(tmp_path)
    (run.folder / "receipt.json").unlink()
    with pytest.raises(DataError, match="has no receipt"):
        verify(run.evaluation.run_id, run.home)


def test_data_that_is_gone_is_an_error_of_three_parts(tmp_path: Path) -> None:
    run = kept(tmp_path)
    resigned(run, data="gone")
    with pytest.raises(DataError, match="no data called 'gone'"):
        verify(run.evaluation.run_id, run.home)


def test_a_strategy_that_came_from_no_file_cannot_be_made_again(tmp_path: Path) -> None:
    run = kept(tmp_path)
    resigned(run, strategy_text="")
    with pytest.raises(StrategyError, match="came from no file"):
        verify(run.evaluation.run_id, run.home)


def test_a_strategy_that_cannot_be_loaded_is_named_as_its_user_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    resigned(run, strategy="../my network", strategy_text="import torch")
    with pytest.raises(StrategyError, match=r"strategy '___my_network' holds a network"):
        verify(run.evaluation.run_id, run.home)
    resigned(run, strategy="lstm", strategy_text="import torch")
    with pytest.raises(StrategyError, match="strategy 'lstm' holds a network"):
        verify(run.evaluation.run_id, run.home)


def test_a_ledger_that_does_not_hold_the_run_is_refused(tmp_path: Path) -> None:
    run = kept(tmp_path)
    (run.home / "desk.db").unlink()
    with pytest.raises(LedgerError, match="row 1 of the trial ledger"):
        verify(run.evaluation.run_id, run.home)


def test_a_run_cannot_be_verified_against_an_edited_ledger(tmp_path: Path) -> None:
    run = kept(tmp_path)
    with sqlite3.connect(run.home / "desk.db") as connection:
        connection.execute("UPDATE trials SET body = replace(body, 'no evidence', 'evidence')")
    connection.close()
    with pytest.raises(LedgerError, match="row 1 does not follow"):
        verify(run.evaluation.run_id, run.home)


def test_a_damaged_sketch_is_named_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept(tmp_path)
    made_again_the_same(run, monkeypatch)
    (run.folder / "sketch.npz").write_bytes(b"nothing")
    found = verify(run.evaluation.run_id, run.home)
    assert [one.name for one in found.differences] == ["file sketch.npz"]
    with pytest.raises(DataError, match=r"sketch\.npz"):
        restated(run, volume=run.panel.fields["volume"] * 2.0)


@pytest.mark.parametrize("name", ["evaluation.json", "report.html", "track.csv", "fitted.pkl"])
def test_a_file_of_the_run_that_was_edited_or_lost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run = kept(tmp_path)
    made_again_the_same(run, monkeypatch)
    path = run.folder / name
    path.write_bytes(path.read_bytes() + b" ")
    found = verify(run.evaluation.run_id, run.home)
    assert [one.name for one in found.differences] == [f"file {name}"]
    path.unlink()
    assert verify(run.evaluation.run_id, run.home).differences[0].now == "gone"
