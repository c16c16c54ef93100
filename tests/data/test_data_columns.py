"""Guessing columns: what a reader would guess, and never silently."""

import pytest

from quantdesk.data.columns import guess_mapping
from quantdesk.domain.errors import DataError


def test_case_blanks_and_punctuation_do_not_matter() -> None:
    chosen = guess_mapping(["TIMESTAMP", "adj_close", "CLOSE", "Ticker", "vol."]).chosen
    assert chosen == {"time": "TIMESTAMP", "symbol": "Ticker", "close": "CLOSE", "adj_close": "adj_close", "volume": "vol."}


def test_columns_of_closes_are_wide_even_where_one_is_called_like_a_field() -> None:
    columns = guess_mapping(["Date", "LOW", "AAPL", "MSFT", "V"])
    assert columns.layout == "wide"
    assert columns.closes == ("LOW", "AAPL", "MSFT", "V")


def test_a_wide_table_needs_no_name_for_its_first_column() -> None:
    assert guess_mapping(["when", "AAPL", "MSFT"]).chosen == {"time": "when"}


def test_columns_that_are_not_read_are_listed() -> None:
    columns = guess_mapping(["Date", "Close", "Stock Splits", "lag_days"])
    assert columns.ignored == ("Stock Splits", "lag_days")
    assert "not read: Stock Splits, lag_days" in columns.lines()


def test_what_was_asked_for_stands_above_the_guess() -> None:
    columns = guess_mapping(["Date", "Close", "Settle"], {"close": "Settle"})
    assert columns.chosen["close"] == "Settle"
    assert columns.ignored == ("Close",)


def test_an_empty_column_leaves_a_field_unread() -> None:
    assert "adj_close" not in guess_mapping(["Date", "Close", "Adj Close"], {"adj_close": ""}).chosen


def test_no_column_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="found none"):
        guess_mapping([])


def test_an_adjusted_close_beside_raw_opens_is_not_taken_for_the_close() -> None:
    with pytest.raises(DataError, match="no column holds the close"):
        guess_mapping(["Date", "Open", "High", "Low", "Adj Close"])
