"""Leaks on the candles of one pair, written as a strategy's author would with pandas; nothing here needs freqtrade."""
