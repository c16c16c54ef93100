"""The commands about data, as a person meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from quantdesk.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def write_prices(path: Path, bad_tick: bool = False) -> None:
    random = np.random.default_rng(2)
    days = np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    rows = ["Date,Symbol,Close,Volume"]
    for symbol in ("AAA", "BBB", "CCC", "DDD"):
        closes = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(days))))
        if bad_tick and symbol == "BBB":
            closes[200] = 2.95
        rows += [f"{day},{symbol},{close:.2f},{100000 + i}" for i, (day, close) in enumerate(zip(days, closes, strict=True))]
    path.write_text("\n".join(rows) + "\n")


def kept(home: Path, capsys: pytest.CaptureFixture[str], name: str = "mine") -> None:
    write_prices(home.parent / "prices.csv")
    assert main(["ingest", "prices.csv", "--name", name]) == 0
    capsys.readouterr()


def test_the_least_correlated_are_chosen_from_a_start(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--start", "AAPL", "--count", "5", "--json"]) == 0
    train = json.loads(capsys.readouterr().out)
    assert train[0] == "AAPL"
    assert len(set(train)) == 5
    start = next(symbol for symbol in ("GE", "KO", "JPM") if symbol not in train)
    assert main(["scan", "--start", start, "--count", "5", "--exclude", ",".join(train), "--json"]) == 0
    assert not set(json.loads(capsys.readouterr().out)) & set(train)


def test_a_scan_from_an_unknown_symbol_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--start", "ZZZZ", "--count", "3"]) == 2
    assert "ZZZZ" in capsys.readouterr().err


def test_correlations_are_shown_beside_their_noise(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(home, capsys)
    assert main(["correlate", "--data", "mine", "--features", "return_*", "--horizons", "5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["band"] > 0 for row in rows)
    assert main(["correlate", "--data", "mine", "--features", "return_*", "--horizons", "5"]) == 0
    assert "noise band" in capsys.readouterr().out


def test_a_bad_tick_is_set_aside_only_when_asked_and_said_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_prices(home.parent / "prices.csv", bad_tick=True)
    assert main(["ingest", "prices.csv", "--name", "mine"]) == 2
    assert "2.95" in capsys.readouterr().err
    assert main(["ingest", "prices.csv", "--name", "mine", "--quarantine", "--json"]) == 0
    caveats = json.loads(capsys.readouterr().out)["caveats"]
    assert any("set aside" in caveat for caveat in caveats)
    assert (home / "quarantine" / "mine.parquet").is_file()


@pytest.mark.parametrize("option", [[], ["--quarantine"]])
def test_bars_of_the_future_are_refused_with_symbol_and_time(
    option: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    today = np.datetime64("now", "D")
    for days, code in ((np.array([-9, -8, -7, 0]), 0), (np.array([-9, -8, 3, 4]), 2)):
        lines = [f"{today + day},AAA,{100 + i}" for i, day in enumerate(days.tolist())]
        (home.parent / "late.csv").write_text("Date,Symbol,Close\n" + "\n".join(lines) + "\n")
        assert main(["ingest", "late.csv", "--name", f"late{code}", *option]) == code
    said = capsys.readouterr().err
    assert f"AAA at {today + 3}T" in said
    assert "a bar of the future (2 such bars)" in said
    assert not (home / "data" / "late2").exists()


def test_data_sets_are_listed_and_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(home, capsys)
    assert main(["data", "list", "--json"]) == 0
    assert "mine" in json.loads(capsys.readouterr().out)
    assert main(["data", "delete", "mine"]) == 0
    assert main(["data", "delete", "mine"]) == 2
    assert main(["data", "delete", "../home"]) == 2
    assert home.is_dir()


def test_a_universe_is_marked_by_history(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(home, capsys)
    assert main(["data", "restrict", "mine", "--min-bars", "100", "--name", "seasoned"]) == 0
    assert "restricted to 100 bars of history" in capsys.readouterr().out
    assert main(["data", "restrict", "mine", "--name", "other"]) == 2
    assert "--min-bars" in capsys.readouterr().err


def test_facts_are_kept_once_and_joined_by_when_they_became_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from quantdesk.data import store

    kept(home, capsys)
    (home.parent / "earnings.csv").write_text(
        "symbol,date,release_time,eps,eps_est\nAAA,2020-05-04,post,1.0,0.9\nBBB,2020-05-04,pre,2.0,2.5\n"
    )
    assert main(["data", "facts", "earnings.csv", "--kind", "earnings", "--name", "eps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_new"] == 6
    assert main(["data", "facts", "earnings.csv", "--kind", "earnings", "--name", "eps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_new"] == 0
    assert main(["data", "attach", "mine", "--facts", "eps", "--names", "eps_surprise", "--name", "joined"]) == 0
    panel = store.load("joined", home)
    day = int(np.searchsorted(panel.times, np.datetime64("2020-05-04")))
    assert np.isnan(panel.fields["eps_surprise"][day, 0])
    assert panel.fields["eps_surprise"][day + 1, 0] == pytest.approx(0.1)
    assert panel.fields["eps_surprise"][day, 1] == pytest.approx(-0.5)


def test_series_without_release_dates_are_refused_until_delayed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(home, capsys)
    (home.parent / "series.csv").write_text(
        "date,value,series\n" + "".join(f"2020-{m:02d}-15,{m}.5,DGS10\n" for m in range(1, 13))
    )
    assert main(["data", "facts", "series.csv", "--kind", "series", "--name", "fred"]) == 0
    attach = ["data", "attach", "mine", "--facts", "fred", "--names", "DGS10=treasury_10y"]
    assert main([*attach, "--name", "early"]) == 2
    assert "lag" in capsys.readouterr().err
    assert main([*attach, "--lag", "2", "--name", "late"]) == 0


def test_a_source_without_its_key_says_which_and_where(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "polygon", "AAPL", "--name", "x", "--from", "2024-01-01"]) == 2
    said = capsys.readouterr().err
    assert "no key 'polygon'" in said
    assert "DESK_KEYS__POLYGON" in said
    assert main(["fetch", "nowhere", "AAPL", "--name", "x"]) == 2
    assert "yahoo" in capsys.readouterr().err


def test_any_facts_are_read_with_the_time_they_became_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from quantdesk.data import vintages

    (home.parent / "insiders.csv").write_text(
        "symbol,name,period,known_at,value\n"
        "AAA,insider_acquired,2020-05-01,2020-05-04T22:10:00,500\nBBB,insider_disposed,2020-05-01,2020-05-05T01:00:00,70\n"
    )
    assert main(["data", "facts", "insiders.csv", "--kind", "facts", "--name", "insiders"]) == 0
    kept_facts = vintages.read(home, "insiders")
    assert kept_facts.values.tolist() == [500.0, 70.0]
    assert kept_facts.known_at[0] == np.datetime64("2020-05-04T22:10:00", "ns")
    (home.parent / "early.csv").write_text("symbol,name,period,known_at,value\nAAA,x,2020-05-01,soon,5\n")
    assert main(["data", "facts", "early.csv", "--kind", "facts", "--name", "early"]) == 2
    assert "known_at" in capsys.readouterr().err


def test_factors_say_what_they_earned_and_whose_risk_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shares = [float(row["share of risk"].rstrip("%")) for row in found["factors"]]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert {"market", "momentum", "volatility", "specific"} <= {row["factor"] for row in found["factors"]}
    assert any("value" in left_out for left_out in found["left_out"])


def test_a_date_counts_as_known_at_the_days_end_whichever_file_it_comes_from(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import polars as pl

    from quantdesk.data.reports import read_facts

    text = home.parent / "facts.csv"
    text.write_text("symbol,name,period,known_at,value\nAAA,x,2019-03-31,2019-05-01,5\n")
    table = home.parent / "facts.parquet"
    pl.read_csv(text).with_columns(pl.col("period", "known_at").str.to_datetime("%Y-%m-%d")).write_parquet(table)
    expected = np.datetime64("2019-05-02T03:59", "ns")
    assert read_facts(text).known_at[0] == expected
    assert read_facts(table).known_at[0] == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scan", "--start", "AAPL", "--since", "soon"], "--since soon"),
        (["correlate", "--horizons", "a,b"], "--horizons a,b"),
        (["ingest", "prices.csv", "--name", ""], "no name"),
        (["data", "restrict", "sample", "--min-bars", "-5", "--name", "x"], "--min-bars -5"),
        (["leakcheck"], "no strategy"),
    ],
)
def test_a_slip_of_the_hand_is_named(arguments: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.real_data
def test_an_announcement_to_come_is_predicted_or_abstained_from(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earnings = (
        Path(__file__).resolve().parents[1] / "../shared/data/earnings_fundamentals/eps_estimate_actual_2012_2019.parquet"
    )
    if not earnings.exists():
        pytest.skip(f"no real data at {earnings}")
    (home.parent / "next.csv").write_text("symbol,date,release_time,eps,eps_est\nAAPL,2030-01-15,post,,1.1\n")
    assert main(["data", "facts", str(earnings), "--kind", "earnings", "--name", "eps"]) == 0
    capsys.readouterr()
    assert main(["surprise", "AAPL", "--facts", "eps", "--expected", "next.csv", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["symbol"], found["announces"]) == ("AAPL", "2030-01-15")
    assert found["why it abstains"]


def test_two_sources_of_the_same_bars_are_set_side_by_side(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(home, capsys)
    text = (home.parent / "prices.csv").read_text().splitlines()
    date, symbol, close, volume = text[100].split(",")
    text[100] = f"{date},{symbol},{float(close) * 1.02:.2f},{volume}"
    (home.parent / "other.csv").write_text("\n".join(text) + "\n")
    assert main(["ingest", "other.csv", "--name", "other"]) == 0
    capsys.readouterr()
    assert main(["data", "compare", "mine", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["closes differ"] == 1
    assert main(["data", "compare", "mine", "other"]) == 0
    assert date in capsys.readouterr().out
    assert main(["data", "compare", "mine", "mine"]) == 0
    assert "the two agree" in capsys.readouterr().out
