from pathlib import Path

import numpy as np
import pytest

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.selection import selection
from quantdesk.evaluation.significance import significance
from quantdesk.registry import Trial, tried_on

N_BARS = 600
TIMES = np.datetime64("2020-01-01T21:00", "ns") + np.arange(N_BARS + 1) * np.timedelta64(1, "D")


def track_of(returns: Float64) -> Track:
    equity = 1e6 * np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
    flat = np.zeros(len(equity))
    return Track(TIMES[: len(equity)], equity, flat, flat, flat, flat)


def keep(home: Path, run_id: str, returns: Float64, first: int = 0) -> Trial:
    folder = home / "runs" / run_id
    folder.mkdir(parents=True)
    track = track_of(returns)
    rows = [
        f"{track.times[i].astype('datetime64[s]')},{float(track.equity[i])!r},0,0,0,0" for i in range(first, len(track.times))
    ]
    (folder / "track.csv").write_text("\n".join(["time,equity,gross_exposure,net_exposure,turnover,costs", *rows]))
    return trial(run_id, float(returns.mean() / returns.std() * np.sqrt(252)))


def trial(run_id: str, sharpe: float = 0.0) -> Trial:
    return Trial("abcd", "s", "any", sharpe, "no evidence", run_id, "world")


def noise(seed: int) -> Float64:
    return np.random.default_rng(seed).normal(0.0, 0.01, N_BARS)


def test_copies_of_one_trial_amount_to_one(tmp_path: Path) -> None:
    before = [keep(tmp_path, f"run{i}", noise(0)) for i in range(6)]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(9)), 252.0)
    assert chosen.n_series == 7
    assert chosen.n_effective == pytest.approx(1.0, abs=0.1)


def test_independent_trials_amount_to_their_number(tmp_path: Path) -> None:
    before = [keep(tmp_path, f"run{i}", noise(i)) for i in range(1, 20)]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(99)), 252.0)
    assert 14 <= chosen.n_effective <= 20


def test_a_trial_whose_returns_are_not_kept_counts_as_one(tmp_path: Path) -> None:
    before = [keep(tmp_path, "kept", noise(0)), trial("lost"), trial("lost too")]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(9)), 252.0)
    assert chosen.n_series == 2
    assert chosen.n_effective == pytest.approx(3.0, abs=0.1)


def test_a_trial_over_other_bars_counts_as_one_and_is_not_set_beside(tmp_path: Path) -> None:
    before = [keep(tmp_path, "late", noise(0), first=N_BARS // 2)]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(9)), 252.0)
    assert chosen.n_series == 1
    assert chosen.n_effective == 2.0


def test_running_the_very_same_thing_again_is_no_other_independent_try(tmp_path: Path) -> None:
    before = [trial("now"), trial("now")]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(9)), 252.0)
    assert chosen.n_effective == 1.0


def hurdle(home: Path, before: list[Trial]) -> float:
    own = track_of(noise(0))
    chosen = selection(home, "now", before, own, track_of(noise(9)), 252.0)
    return significance(own.returns, 1, chosen.n_effective, bars_per_year=252.0).expected_best_from_noise


def test_no_further_trial_lowers_the_hurdle_and_none_alone_lifts_it_out_of_reach(tmp_path: Path) -> None:
    tried = {f"noise{i}": noise(i) for i in range(1, 6)} | {"leak": noise(50) + 0.01}
    tried |= {f"rule{i:02d}": noise(60) + 0.05 * noise(100 + i) for i in range(60)} | {"ruin": noise(70) - 0.02}
    before, hurdles = [], [hurdle(tmp_path, [])]
    for name, returns in tried.items():
        before.append(keep(tmp_path, name, returns))
        hurdles.append(hurdle(tmp_path, before))
    assert hurdles == sorted(hurdles)
    assert hurdles[6] - hurdles[5] < 0.1 < hurdles[5]
    lost = [*before, trial("lost", sharpe=30.0)]
    assert hurdles[-1] <= hurdle(tmp_path, lost) < hurdles[-1] + 0.1


def test_few_trials_say_nothing_about_the_choice_among_them(tmp_path: Path) -> None:
    before = [keep(tmp_path, f"run{i}", noise(i)) for i in (1, 2)]
    chosen = selection(tmp_path, "now", before, track_of(noise(0)), track_of(noise(9)), 252.0)
    assert chosen.overfitting is None
    assert chosen.superiority is None


def test_one_true_edge_among_noise_is_told_from_the_best_of_noise(tmp_path: Path) -> None:
    before = [keep(tmp_path, f"run{i}", noise(i)) for i in range(1, 12)]
    luck = selection(tmp_path, "now", before, track_of(noise(20)), track_of(noise(99)), 252.0)
    edge = selection(tmp_path, "now", before, track_of(noise(20) + 0.003), track_of(noise(99)), 252.0)
    assert luck.superiority is not None
    assert edge.superiority is not None
    assert luck.overfitting is not None
    assert edge.overfitting is not None
    assert edge.superiority.consistent < 0.01 < luck.superiority.consistent
    assert edge.overfitting.probability < 0.1 < luck.overfitting.probability


def test_the_interval_holds_the_estimate(tmp_path: Path) -> None:
    chosen = selection(tmp_path, "now", [], track_of(noise(0) + 0.001), track_of(noise(9)), 252.0)
    assert chosen.interval.low < chosen.interval.estimate < chosen.interval.high


def test_trials_are_found_by_fingerprint_and_by_name() -> None:
    same_name = Trial("other", "s", "any", 0.0, "", "b", "world")
    same_data = Trial("abcd", "s", "any", 0.0, "", "c", "copy")
    neither = Trial("other", "s", "any", 0.0, "", "d", "elsewhere")
    assert tried_on([same_name, same_data, neither], "abcd", {"world"}) == [same_name, same_data]
