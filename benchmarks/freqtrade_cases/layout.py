"""Write the folder that freqtrade works in: configuration, candles, strategies, and answers for the exchange."""

import json
from pathlib import Path

from freqtrade_cases.case import Case, Frame, opens_at
from freqtrade_cases.ground import N_BEFORE, Ground

PAIR, OTHER = "ETH/USDT", "BTC/USDT"
OFFLINE = f'''
import ccxt
import ccxt.async_support

def market(pair):
    base, quote = pair.split("/")
    limits = {{"amount": {{"min": 1e-6, "max": None}}, "price": {{}}, "cost": {{"min": 1.0, "max": None}}}}
    return {{"id": base + quote, "symbol": pair, "base": base, "quote": quote, "baseId": base, "quoteId": quote,
            "active": True, "type": "spot", "spot": True, "margin": False, "swap": False, "future": False,
            "option": False, "contract": False, "taker": 0.001, "maker": 0.001, "percentage": True,
            "precision": {{"amount": 1e-6, "price": 1e-6}}, "limits": limits, "info": {{}}}}

MARKETS = [market("{PAIR}"), market("{OTHER}")]

async def later(self, params={{}}):
    return MARKETS

async def nothing_later(self, params={{}}):
    return {{}}

ccxt.binance.fetch_markets = lambda self, params={{}}: MARKETS
ccxt.binance.fetch_currencies = lambda self, params={{}}: {{}}
ccxt.async_support.binance.fetch_markets = later
ccxt.async_support.binance.fetch_currencies = nothing_later
'''
"""Answers for the exchange library, loaded at the start of the program: two markets, and no network."""

STRATEGY = """
from pathlib import Path

import pandas as pd
from freqtrade.strategy import IStrategy

from freqtrade_cases.catalogue import compute


class {name}(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "5m"
    startup_candle_count = {before}
    stoploss = -0.99
    minimal_roi = {roi}

    def informative_pairs(self):
        return [("{pair}", "1h"), ("{other}", "5m")]

    def number(self, dataframe):
        beside = {beside}
        return compute({case!r}, {leaky}, dataframe[["date", "open", "high", "low", "close", "volume"]], beside)

    def populate_indicators(self, dataframe, metadata):
        {column}
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[{entry}, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        {leave}
        return dataframe
"""
_MEAN = 'dataframe["own"].rolling(20, min_periods=1).mean()'
_IN_COLUMN = {
    "roi": {},
    "column": 'dataframe["own"] = self.number(dataframe)',
    "entry": f'dataframe["own"] > {_MEAN}',
    "leave": f'dataframe.loc[dataframe["own"] < {_MEAN}, "exit_long"] = 1',
}
_IN_RULE = {"roi": {"30": -1}, "column": "pass", "entry": "self.number(dataframe) > 0", "leave": "pass"}
_BESIDE = {
    "": "pd.DataFrame()",
    "hourly": f'self.dp.get_pair_dataframe("{PAIR}", "1h")',
    "market": f'self.dp.get_pair_dataframe("{OTHER}", "5m")',
    "facts": 'pd.read_csv(Path(__file__).parents[2] / "facts.csv")',
    "table": 'pd.read_csv(Path(__file__).parents[2] / "table.csv")',
}


def lay_out(home: Path, ground: Ground) -> None:
    """Write configuration, candles, facts and the answers of the exchange into a folder."""
    for folder in ("offline", "data/binance", "strategies"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "offline" / "sitecustomize.py").write_text(OFFLINE)
    (home / "config.json").write_text(json.dumps(_config()))
    for name, frame in (
        ("ETH_USDT-5m", ground.candles),
        ("ETH_USDT-1h", ground.hourly),
        ("BTC_USDT-5m", ground.market),
    ):
        (home / "data/binance" / f"{name}.json").write_text(json.dumps(_rows(frame)))
    ground.facts.to_csv(home / "facts.csv", index=False)
    ground.table.to_csv(home / "table.csv", index=False)


def _config() -> dict[str, object]:
    price = {"price_side": "other", "use_order_book": False}
    exchange = {"name": "binance", "key": "", "secret": "", "enable_ws": False}
    return {
        "max_open_trades": 1,
        "stake_currency": "USDT",
        "stake_amount": 100,
        "dry_run": True,
        "trading_mode": "spot",
        "timeframe": "5m",
        "dataformat_ohlcv": "json",
        "entry_pricing": price,
        "exit_pricing": price,
        "exchange": {**exchange, "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
    }


def _rows(frame: Frame) -> list[list[float]]:
    millis = opens_at(frame).astype("datetime64[ms]").astype(int)
    figures = frame[["open", "high", "low", "close", "volume"]].to_numpy().tolist()
    return [[int(stamp), *row] for stamp, row in zip(millis, figures, strict=True)]


def write_strategy(home: Path, case: Case, is_leaky: bool, number: int) -> str:
    """Write a case as a strategy into a folder of its own, and return its name."""
    name = f"{'Leaky' if is_leaky else 'Clean'}{number}"
    folder = home / "strategies" / name
    folder.mkdir(parents=True, exist_ok=True)
    shape = _IN_RULE if case.is_in_rule else _IN_COLUMN
    given = {"name": name, "case": case.name, "leaky": is_leaky, "beside": _BESIDE[case.beside]}
    (folder / f"{name}.py").write_text(STRATEGY.format(before=N_BEFORE, pair=PAIR, other=OTHER, **given, **shape))
    return name
