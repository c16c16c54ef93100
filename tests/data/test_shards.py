from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantdesk.data.shards import shards
from quantdesk.data.sources.file import File
from quantdesk.domain.errors import DataError


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    path, random = tmp_path / "minutes.parquet", np.random.default_rng(0)
    times = np.datetime64("2024-01-02T14:31", "ms") + np.arange(30) * np.timedelta64(60_000, "ms")
    frames = [
        pl.DataFrame({"time": times, "symbol": symbol, "close": 50 + random.standard_normal(30)})
        for symbol in ("DD", "AA", "CC", "EE", "BB")
    ]
    pl.concat(frames).write_parquet(path)
    return path


def test_shards_together_hold_what_the_whole_file_holds(minutes: Path) -> None:
    source = File(minutes, timezone="UTC")
    whole, parts = source.fetch(), [shard.fetch() for shard in shards(source, 2)]
    assert [part.symbols for part in parts] == [("AA", "BB"), ("CC", "DD"), ("EE",)]
    for part in parts:
        for symbol in part.symbols:
            one = part.fields["close"][:, part.symbols.index(symbol)]
            np.testing.assert_array_equal(one, whole.fields["close"][:, whole.symbols.index(symbol)])


def test_only_the_asked_symbols_are_read(minutes: Path) -> None:
    assert File(minutes, timezone="UTC", only=("CC", "AA")).fetch().symbols == ("AA", "CC")


def test_symbols_that_are_not_there_are_an_error(minutes: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        File(minutes, timezone="UTC", only=("ZZ",)).fetch()


def test_a_file_without_symbols_cannot_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    pl.DataFrame({"time": ["2024-01-02"], "close": [1.0]}).write_parquet(path)
    with pytest.raises(DataError, match="no column of symbols"):
        shards(File(path), 2)
    text = tmp_path / "one.csv"
    text.write_text("time,symbol,close\n2024-01-02,A,1\n")
    with pytest.raises(DataError, match="cannot be read by symbol"):
        shards(File(text), 2)
