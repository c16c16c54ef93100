"""Walk-forward, backtest, scores, significance, verdict, report: what a strategy is worth, and why to believe it."""
