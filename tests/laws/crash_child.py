"""Run one desk with a journal until it is done or killed: ``python crash_child.py STRATEGY JOURNAL N_BARS``."""

import sys
from itertools import islice
from pathlib import Path

from law_worlds import CAPITAL, LEARNED, market, rehearsed

from quantdesk.execution.costs import Costs
from quantdesk.ledger.journal import Journal
from quantdesk.loop import Replay, open_desk, resume_desk


def run(name: str, path: Path, n_bars: int) -> None:
    """Resume from the journal, or begin, and trade until bar ``n_bars``."""
    strategy = rehearsed(name)
    fresh = open_desk("law", strategy, Costs(), strategy.strategy.limits, CAPITAL, market().times[LEARNED])
    desk, done = resume_desk(fresh, Costs(), Journal(path))
    start = LEARNED if done is None else int(market().times.searchsorted(done)) + 1
    for _ in islice(desk.run(Replay(market(), start, strategy.lookback)), max(0, LEARNED + n_bars - start)):
        pass


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
