"""The report: one file, complete, safe, and equal to the evaluation it shows."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from evidence_made import evidence

from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.forecast import Forecasts
from quantdesk.domain.trade import Fill
from quantdesk.evaluation.evidence import Evidence
from quantdesk.evaluation.outcome import CostCurve, Evaluation, Track, Verdict
from quantdesk.evaluation.report.earnings import comparison
from quantdesk.evaluation.report.page import page, write
from quantdesk.evaluation.report.record import columns
from quantdesk.evaluation.report.wording import NOTHING, confidence, number, percent
from quantdesk.evaluation.scores import forecast_scores, performance
from quantdesk.evaluation.selection import selection
from quantdesk.evaluation.significance import alpha, significance

NORMAL_QUANTILES = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
SECTIONS = ("verdict", "numbers", "equity", "baselines", "ic", "months", "exposure", "calibration", "scores", "importance")
MORE_SECTIONS = ("costs", "folds", "trades", "chance", "receipts")


def business_days(n: int, start: str = "2018-01-02") -> Times:
    days = np.busday_offset(np.datetime64(start, "D"), np.arange(n), roll="forward")
    return (days + np.timedelta64(21, "h")).astype("datetime64[ns]")


def make_track(times: Times, drift: float, random: np.random.Generator, invested: float = 1.0) -> Track:
    n = len(times)
    returns = random.standard_t(4, n) * 0.0065 * invested + drift
    returns[0] = 0.0
    turnover = np.where(random.random(n) < 0.3, random.random(n) * 0.25, 0.02)
    equity = np.asarray(1e6 * np.cumprod(1 + returns), dtype=np.float64)
    held = np.clip(invested + 0.05 * np.cumsum(random.normal(size=n)) / 8, 0.2, 1.5)
    return Track(times, equity, held, held - 0.4 * (1 - np.cos(np.arange(n) / 90)), turnover, turnover * equity * 5e-4)


def make_forecasts(times: Times, n_instruments: int, random: np.random.Generator) -> tuple[Forecasts, Float64, Float64]:
    horizons = (1, 5, 20)
    scale = 0.01 + 0.01 * random.random((len(times), n_instruments))
    root = np.sqrt(np.array(horizons))
    edge = random.normal(size=(len(times), n_instruments, 1)) * scale[..., None] * root * 0.25
    spread = (0.9 * scale[..., None] * root)[..., None]
    quantiles = edge[..., None] + spread * NORMAL_QUANTILES
    quantiles[: len(times) // 20, 0] = np.nan
    labels = 0.15 * edge + scale[..., None] * root * random.normal(size=(*edge.shape[:2], 3))
    symbols = tuple(f"SYM{index}" for index in range(n_instruments))
    return Forecasts(times, symbols, horizons, quantiles), labels, scale


def make_fills(times: Times, n: int, random: np.random.Generator, n_symbols: int = 60) -> tuple[Fill, ...]:
    rows = np.sort(random.integers(0, len(times), n))
    quantities, symbols = random.integers(1, 900, n) * random.choice([-1, 1], n), random.integers(0, n_symbols, n)
    prices = np.round(20 + 300 * random.random(n), 4)
    return tuple(
        Fill(f"o{i}", f"SYM{s}", Decimal(int(q)), Decimal(str(p)), Decimal("1.25"), times[row])
        for i, (row, q, s, p) in enumerate(zip(rows, quantities, symbols, prices, strict=True))
    )


def make_evidence(track: Track, market: Track) -> Evidence:
    chosen = selection(Path("nowhere"), "3f9ac1b27d40", [], track, market, 252.0)
    return evidence(chosen)


def make_evaluation(n_times: int = 600, n_instruments: int = 30, n_fills: int = 400, drift: float = 4e-4) -> Evaluation:
    random = np.random.default_rng(7)
    times = business_days(n_times)
    track = make_track(times, drift, random, 0.9)
    others = ("buy and hold", "equal weight", "persistence", "linear model")
    baselines = {name: make_track(times, 2.5e-4, random, 1.2) for name in others}
    forecasts, labels, scale = make_forecasts(times[:-5], n_instruments, random)
    net = performance(track)
    gross = replace(net, sharpe=net.sharpe + 0.4, annual_return=net.annual_return + 0.03)
    luck = significance(track.returns, 24, 11.3, bars_per_year=net.bars_per_year)
    beta, rest = alpha(track.returns, baselines["equal weight"].returns)
    edges = np.linspace(len(times) * 0.3, len(times) - 1, 8).astype(int)
    folds = tuple((times[0], times[a - 25], times[a], times[b - 1]) for a, b in pairwise(edges.tolist()))
    names = tuple(f"feature_{index}" for index in range(26))
    importance = random.random(26) ** 3
    return Evaluation(
        run_id="3f9ac1b27d40",
        strategy="gradient_trend",
        description="Boosted trees on price, volume and calendar; long the upper fifth, sized by volatility.",
        data="us_daily_sp500",
        fingerprint="a94f00c1d2e3b455",
        seed=7,
        settings={"folds": "7, expanding", "cost_model": "half-spread 2 bps, impact 10 bps", "embargo_bars": "20"},
        folds=folds,
        verdict=Verdict(
            "weak",
            "weak evidence of an edge: luck explains this record once in five",
            ("The deflated Sharpe is 0.79, below 0.95.", "The rank IC is positive in 6 of 7 folds."),
            ("Members as of the end of 2023: survivors only.", "Four years hold one crisis."),
        ),
        track=track,
        performance=net,
        gross_performance=gross,
        baselines=baselines,
        baseline_performance={name: performance(other) for name, other in baselines.items()},
        forecast_scores=forecast_scores(forecasts, labels, scale),
        significance=luck,
        alpha_significance=significance(rest, 24, 11.3, bars_per_year=net.bars_per_year),
        beta=beta,
        costs=CostCurve(np.array([0.0, 1.0, 2.0]), np.array([net.sharpe + 0.4, net.sharpe, net.sharpe - 0.4]), 6.4, 17.9),
        horizon=5,
        forecasts=forecasts,
        labels=labels,
        scale=scale,
        feature_names=names,
        importance=importance / importance.sum(),
        fills=make_fills(times, n_fills, random),
        evidence=make_evidence(track, baselines["equal weight"]),
        seconds={"features": 0.8, "training": 41.2, "backtest": 0.3},
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return make_evaluation()


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return page(evaluation)


def part(text: str, name: str) -> str:
    """Cut one section out of the page."""
    return text.split(f'<section id="{name}"')[1].split("</section>")[0]


def words(html: str) -> str:
    """Leave out scripts and tags: what a reader sees."""
    return re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", " ", html, flags=re.S))


def stored_trades(text: str) -> dict[str, list[str]]:
    """Read the trades back out of the page, one string a cell."""
    found = re.search(r'<script type="application/json" id="fills">(.*?)</script>', text, re.S)
    assert found is not None
    data = json.loads(found.group(1))
    return {
        "time": [data["times"][int(index)] for index in data["time"].split(" ")],
        "symbol": [data["symbols"][int(index)] for index in data["symbol"].split(" ")],
        **{name: data[name].split(" ") for name in ("quantity", "price", "fee")},
    }


def test_the_page_is_written_where_asked_and_says_where(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    assert write(evaluation, path) == path
    assert path.read_text(encoding="utf-8") == page(evaluation)


def test_nothing_is_loaded_from_outside_the_file(text: str) -> None:
    assert not re.search(r"(src|href|srcset|data|action)\s*=\s*[\"']?\s*(https?:|//|file:)", text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert "<link" not in text
    assert not re.search(r"<(img|iframe|object|embed|base)\b", text)
    assert set(re.findall(r'href="(.)', text)) == {"#"}


@pytest.mark.parametrize("name", [*SECTIONS, *MORE_SECTIONS])
def test_every_section_is_there_once(text: str, name: str) -> None:
    assert text.count(f'<section id="{name}"') == 1


def test_every_link_in_the_page_leads_somewhere(text: str) -> None:
    for name in re.findall(r'href="#([^"]+)"', text):
        assert f'id="{name}"' in text


def test_every_chart_has_a_caption(text: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", text, re.S)
    assert len(figures) >= 8
    for figure in figures:
        assert re.search(r"<figcaption>[A-Z].{30,}\.</figcaption>", figure, re.S)


def test_the_verdict_stands_first_with_its_reasons_and_caveats(evaluation: Evaluation, text: str) -> None:
    assert text.index('id="verdict"') < text.index('id="numbers"') < text.index('id="equity"')
    verdict = part(text, "verdict")
    assert evaluation.verdict.headline[1:] in verdict
    for line in evaluation.verdict.reasons + evaluation.verdict.caveats:
        assert line in verdict


def test_the_key_numbers_are_the_evaluations(evaluation: Evaluation, text: str) -> None:
    shown = part(text, "numbers")
    traded = next(scores for scores in evaluation.forecast_scores if scores.horizon == evaluation.horizon)
    luck = evaluation.significance
    for value in (
        number(evaluation.performance.sharpe),
        number(evaluation.gross_performance.sharpe),
        confidence(luck.deflated_sharpe),
        number(luck.expected_best_from_noise),
        f">{luck.n_trials}<",
        percent(evaluation.performance.max_drawdown),
        number(evaluation.performance.turnover, 1),
        number(evaluation.costs.cost_bps, 1, "bps"),
        number(evaluation.costs.break_even_bps, 1, "bps"),
        number(traded.rank_ic_mean, 3),
        number(traded.rank_ic_t, 1),
        percent(traded.interval_coverage),
    ):
        assert value in shown


def test_the_net_sharpe_is_the_large_number_and_the_gross_one_its_note(evaluation: Evaluation, text: str) -> None:
    tile = part(text, "numbers").split("<div>")[1]
    assert f"<dd>{number(evaluation.performance.sharpe)}</dd>" in tile
    assert f"{number(evaluation.gross_performance.sharpe)} before costs" in tile


def test_the_baseline_table_has_every_row_of_the_evaluation(evaluation: Evaluation, text: str) -> None:
    rows = re.findall(r"<tr.*?</tr>", part(text, "baselines"), re.S)[1:]
    names = [evaluation.strategy, f"{evaluation.strategy}, before costs", *evaluation.baseline_performance]
    expected = [evaluation.performance, evaluation.gross_performance, *evaluation.baseline_performance.values()]
    assert len(rows) == len(names)
    for row, name, performed in zip(rows, names, expected, strict=True):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        assert cells[:4] == [
            name,
            number(performed.sharpe),
            percent(performed.annual_return),
            percent(performed.annual_volatility),
        ]


def test_the_scores_table_shows_every_horizon(evaluation: Evaluation, text: str) -> None:
    rows = re.findall(r"<tr.*?</tr>", part(text, "scores"), re.S)[1:]
    for row, scores in zip(rows, evaluation.forecast_scores, strict=True):
        for value in (number(scores.ic_mean, 3), number(scores.rank_ic_t, 1), percent(scores.f1), number(scores.mae, 4)):
            assert f"<td>{value}</td>" in row


def test_the_equity_readout_ends_where_the_track_ends(evaluation: Evaluation, text: str) -> None:
    data = json.loads(part(text, "equity").split('<script type="application/json">')[1].split("</script>")[0])
    equity = evaluation.track.equity
    assert len(data["lines"]) == 2 + len(evaluation.baselines)
    assert data["lines"][0]["values"][-1] == pytest.approx(equity[-1] / equity[0], abs=5e-4)
    assert data["times"][0] == "2018-01-02"


def test_the_significance_paragraph_names_its_convention(evaluation: Evaluation, text: str) -> None:
    shown = part(text, "chance")
    assert "null, T" in shown
    assert number(evaluation.alpha_significance.sharpe) in shown
    assert number(evaluation.beta) in shown


def test_the_receipts_name_run_data_seed_settings_and_time(evaluation: Evaluation, text: str) -> None:
    shown = part(text, "receipts")
    for value in (evaluation.run_id, evaluation.fingerprint, f"<dd>{evaluation.seed}</dd>", *evaluation.settings.values()):
        assert value in shown
    assert "training 41.2" in shown


def test_every_trade_is_stored_with_every_digit(evaluation: Evaluation, text: str) -> None:
    stored = stored_trades(text)
    assert [Decimal(value) for value in stored["quantity"]] == [fill.quantity for fill in evaluation.fills]
    assert [Decimal(value) for value in stored["price"]] == [fill.price for fill in evaluation.fills]
    assert [Decimal(value) for value in stored["fee"]] == [fill.fee for fill in evaluation.fills]
    assert stored["symbol"] == [fill.symbol for fill in evaluation.fills]
    assert stored["time"] == [str(fill.time.astype("datetime64[D]")) for fill in evaluation.fills]


def test_a_trade_within_the_day_keeps_its_minute(evaluation: Evaluation) -> None:
    minutes = np.datetime64("2024-03-01T14:30", "ns") + np.arange(600) * np.timedelta64(5, "m")
    few = tuple(replace(fill, time=minutes[5]) for fill in evaluation.fills[:2])
    stored = stored_trades(page(replace(evaluation, track=replace(evaluation.track, times=minutes), fills=few)))
    assert stored["time"] == ["2024-03-01 14:55"] * 2


def test_fifty_thousand_trades_stay_under_five_megabytes(evaluation: Evaluation) -> None:
    random = np.random.default_rng(0)
    fills = make_fills(evaluation.track.times, 50_000, random, n_symbols=504)
    text = page(replace(evaluation, fills=fills))
    assert len(stored_trades(text)["fee"]) == 50_000
    assert len(text.encode()) < 5_000_000


def test_strings_from_outside_are_escaped_everywhere(evaluation: Evaluation) -> None:
    evil = "</script><script>alert('x')</script>\"<b>&"
    fill = replace(evaluation.fills[0], symbol=evil)
    text = page(
        replace(
            evaluation,
            run_id=evil,
            strategy=evil,
            description=evil,
            data=evil,
            fingerprint=evil,
            settings={evil: evil},
            verdict=Verdict("none", evil, (evil,), (evil,)),
            baselines={evil: evaluation.track},
            baseline_performance={evil: evaluation.performance},
            significance=replace(evaluation.significance, convention=evil),
            feature_names=(evil,) * len(evaluation.feature_names),
            fills=(fill,),
            seconds={evil: 1.0},
        )
    )
    assert evil not in text
    assert "<script>alert" not in text
    assert stored_trades(text)["symbol"] == [evil]


def test_the_stored_trades_hold_no_character_that_could_end_the_script(evaluation: Evaluation) -> None:
    fill = replace(evaluation.fills[0], symbol="</script <!-- & >")
    stored = columns((fill,), evaluation.track.times)
    assert not set("<>&") & set(stored)
    assert json.loads(stored)["symbols"] == [fill.symbol]


def test_no_missing_or_infinite_number_is_printed_raw(evaluation: Evaluation) -> None:
    nothing = np.full(evaluation.labels.shape, np.nan)
    broken = replace(
        evaluation,
        labels=nothing,
        forecast_scores=forecast_scores(evaluation.forecasts, nothing, evaluation.scale),
        performance=replace(evaluation.performance, sharpe=np.nan, calmar=np.inf, sortino=-np.inf, turnover=np.nan),
        significance=significance(np.zeros(599), 1, 1, bars_per_year=252),
        alpha_significance=significance(-np.arange(9.0), 1, 1, bars_per_year=252),
        costs=CostCurve(np.array([0.0, 1.0]), np.array([np.nan, np.nan]), np.nan, np.inf),
        importance=np.full(26, np.nan),
        beta=np.nan,
    )
    shown = words(page(broken))
    assert not re.search(r"\b(nan|inf|infinity|none)\b", shown.replace("from none", ""), re.IGNORECASE)
    assert NOTHING in shown
    assert not re.search(r"NaN|Infinity", page(broken))


def test_an_evaluation_with_next_to_nothing_in_it_still_renders(evaluation: Evaluation) -> None:
    track = Track(evaluation.track.times[:1], np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))
    forecasts, labels, scale = make_forecasts(evaluation.track.times[:1], 1, np.random.default_rng(0))
    text = page(
        replace(
            evaluation,
            track=track,
            performance=performance(track),
            baselines={},
            baseline_performance={},
            forecasts=forecasts,
            labels=labels,
            scale=scale,
            forecast_scores=(),
            feature_names=(),
            importance=np.zeros(0),
            folds=evaluation.folds[:1],
            fills=(),
            settings={},
            seconds={},
        )
    )
    assert "Nothing was traded." in text
    assert "1 fold<" in text
    assert "nan" not in words(text).lower().split()


def test_thirty_years_and_five_hundred_instruments_fit() -> None:
    long = make_evaluation(n_times=7_600, n_instruments=8, n_fills=10)
    text = page(long)
    assert part(text, "months").count('<th scope="row">') == len(np.unique(long.track.times.astype("datetime64[Y]")))
    assert len(text.encode()) < 1_000_000


def test_many_symbols_are_listed_for_the_filter(evaluation: Evaluation) -> None:
    fills = make_fills(evaluation.track.times, 5_000, np.random.default_rng(1), n_symbols=504)
    assert len(set(stored_trades(page(replace(evaluation, fills=fills)))["symbol"])) == 504


def test_a_total_loss_does_not_break_the_log_scale(evaluation: Evaluation) -> None:
    equity = evaluation.track.equity.copy()
    equity[300:] = 0.0
    ruined = replace(evaluation.track, equity=equity)
    assert "nan" not in page(replace(evaluation, track=ruined, performance=performance(ruined))).lower().replace("finance", "")


def test_a_month_is_tinted_by_its_sign(evaluation: Evaluation, text: str) -> None:
    for style, value in re.findall(r'<td class="(up|down)" style="--depth:[\d.]+">([^<]+)</td>', part(text, "months")):
        assert (style == "down") == value.startswith("−") or value == "0.0"


def test_a_reader_without_javascript_is_told_what_is_missing(text: str) -> None:
    assert "<noscript>" in part(text, "trades")


def test_the_page_is_the_same_each_time(evaluation: Evaluation, text: str) -> None:
    assert page(evaluation) == text


def test_a_baseline_is_never_called_as_the_strategy_is(evaluation: Evaluation) -> None:
    own = replace(evaluation, strategy=next(iter(evaluation.baselines)))
    assert comparison(own).count(f">{own.strategy}<") == 1
    assert f">plain {own.strategy}<" in comparison(own)
    assert "plain" not in comparison(evaluation)
