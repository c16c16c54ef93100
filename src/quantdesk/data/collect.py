"""Bring the bars of many instruments in, piece by piece, asking only for what is missing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import numpy as np

from quantdesk.data.access import Access
from quantdesk.data.answers import Asked, check_overlap, checked
from quantdesk.data.events import SURVIVORS_ONLY, delisting_proceeds, departures, survivorship
from quantdesk.data.history import BARS, DAY, History, from_bytes, to_bytes
from quantdesk.data.whole import write_whole
from quantdesk.domain.arrays import Float64, Times
from quantdesk.domain.errors import DataError
from quantdesk.domain.instrument import Instrument
from quantdesk.domain.panel import Panel

OVERLAP_BARS = 5
"""Bars that are asked for again with every update, to see whether the source still says the same."""

HAIRCUT = 0.3


class BarSource(Protocol):
    """What the collecting needs of a source of bars."""

    @property
    def kind(self) -> str:
        """Name the source, and its folder in the cache."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """List the instruments."""
        ...

    @property
    def access(self) -> Access:
        """Give the cache, the clock, and whom to tell."""
        ...

    @property
    def start(self) -> str:
        """Give the first day, YYYY-MM-DD."""
        ...

    @property
    def end(self) -> str:
        """Give the last day, or a moment; empty for now."""
        ...

    @property
    def name(self) -> str:
        """Name the panel; empty for the source's own name."""
        ...

    @property
    def bar(self) -> str:
        """Give the length of a bar."""
        ...

    @property
    def caveats(self) -> tuple[str, ...]:
        """Say what limits any conclusion drawn from the bars."""
        ...

    def connect(self) -> Any:
        """Build the client that ``history`` asks."""
        ...

    def history(self, client: Any, symbol: str, begins: np.datetime64, ends: np.datetime64) -> History:
        """Ask for the bars that close after ``begins`` and not after ``ends``; more may come."""
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument."""
        ...


def span_of(start: str, end: str, now: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
    """Read a span: a day begins at its first and ends at its last moment, UTC; no end is now.

    Raises
    ------
    DataError
        If a date is unreadable, or the span ends before it begins.
    """
    try:
        begins = np.datetime64(start, "ns")
        ends = now if not end else np.datetime64(end, "ns") + (DAY if len(end) == 10 else np.timedelta64(0))
    except ValueError as error:
        raise DataError(f"dates {start!r} to {end!r} are unreadable", "YYYY-MM-DD", "correct --from or --to") from error
    if not begins < min(ends, now):
        raise DataError(
            f"the span from {start} to {end or 'now'} is empty", "a start before the end, in the past", "correct it"
        )
    return begins, ends


def collect(source: BarSource) -> Panel:
    """Bring a source's panel in.

    Each instrument's bars are kept whole as soon as they are checked, so that a run that is cut
    off, or whose quota ends, goes on where it stopped.

    Raises
    ------
    DataError
        If an answer cannot be kept; what was finished before stays.
    """
    _check(source)
    begins, ends = span_of(source.start, source.end, source.access.clock.now())
    client: list[Any] = []

    def ask(symbol: str, since: np.datetime64) -> History:
        client[:] = client or [source.connect()]
        return source.history(client[0], symbol, since, ends)

    histories = []
    for done, symbol in enumerate(source.symbols):
        source.access.tell(f"{source.kind} {symbol}", done, len(source.symbols))
        histories.append(_kept_or_asked(source, symbol, begins, ends, ask))
    source.access.tell(source.kind, len(source.symbols), len(source.symbols))
    return panel_of(source, histories, begins)


def _check(source: BarSource) -> None:
    if not source.symbols:
        raise DataError(f"{source.kind} was asked for no symbol", "one or more, as AAPL,MSFT", "name them")
    if len(set(source.symbols)) < len(source.symbols):
        twice = next(symbol for symbol in source.symbols if source.symbols.count(symbol) > 1)
        raise DataError(f"{source.kind} was asked for {twice} twice", "each symbol once", "name it once")
    if source.bar not in BARS:
        raise DataError(f"bars of {source.bar!r}", f"one of {', '.join(BARS)}", "choose another")


def _kept_or_asked(
    source: BarSource,
    symbol: str,
    begins: np.datetime64,
    ends: np.datetime64,
    ask: Callable[[str, np.datetime64], History],
) -> History:
    path = piece_path(source, symbol)
    found = from_bytes(path.read_bytes()) if path.is_file() else None
    now = source.access.clock.now()
    if found is not None and found[1] <= begins and ends <= found[2]:
        return _cut(found[0], begins, ends, source.kind)
    kept = found[0] if found is not None else None
    is_longer = found is not None and begins < found[1]
    first = begins if kept is None or found is None else min(begins, found[1])
    since = first if kept is None or is_longer else kept.times[-min(OVERLAP_BARS, len(kept))] - DAY
    asked = Asked(source.kind, symbol, since, ends, now)
    fresh = checked(ask(symbol, since), asked)
    if kept is not None:
        try:
            check_overlap(kept, fresh, asked)
        except DataError:
            if not source.access.accept_revision:
                raise
            # The new version replaces all of the old one: two bases never stand in one history.
            fresh, kept = checked(ask(symbol, first), Asked(source.kind, symbol, first, ends, now)), None
    whole = fresh if kept is None or is_longer else _joined(kept, fresh)
    reached = min(ends, now) if found is None or kept is None else max(found[2], min(ends, now))
    write_whole(path, to_bytes(whole, first, reached))
    return _cut(whole, begins, ends, source.kind)


def piece_path(source: BarSource, symbol: str) -> Path:
    """Name the file that keeps one instrument's bars."""
    return source.access.cache(source.kind) / source.bar / f"{quote(symbol, safe='')}.npz"


def _cut(history: History, begins: np.datetime64, ends: np.datetime64, kind: str) -> History:
    cut = history.where((history.times > begins) & (history.times <= ends))
    if len(cut) == 0:
        raise DataError(f"{kind} has no bar of {history.symbol} from {begins} to {ends}", "bars there", "check the dates")
    return cut


def _joined(kept: History, fresh: History) -> History:
    news = fresh.where(fresh.times > kept.times[-1])
    names = [name for name in kept.fields if name in news.fields]
    return History(
        kept.symbol,
        np.concatenate([kept.opens_at, news.opens_at]),
        np.concatenate([kept.times, news.times]),
        {name: np.concatenate([kept.fields[name], news.fields[name]]) for name in names},
    )


def panel_of(source: BarSource, histories: Sequence[History], begins: np.datetime64) -> Panel:
    """Lay histories out on one time axis, and say what limits them."""
    times: Times = np.unique(np.concatenate([history.times for history in histories]))
    names = [name for name in histories[0].fields if all(name in history.fields for history in histories)]
    fields = {name: _laid(name, histories, times) for name in names}
    symbols = source.symbols
    said = [*source.caveats, *_late(symbols, histories, begins)]
    if source.bar == "1d":
        proceeds, caveat = _departed(fields["close"], times)
        fields, said = {**fields, **proceeds}, [*said, *caveat]
    instruments = tuple(source.instrument(symbol) for symbol in symbols)
    return Panel(times, instruments, fields, name=source.name or source.kind, caveats=tuple(said))


def _laid(name: str, histories: Sequence[History], times: Times) -> Float64:
    laid = np.full((len(times), len(histories)), np.nan)
    for column, history in enumerate(histories):
        laid[np.searchsorted(times, history.times), column] = history.fields[name]
    return laid


def _late(symbols: Sequence[str], histories: Sequence[History], begins: np.datetime64) -> list[str]:
    late = [
        f"{symbol} ({np.datetime_as_string(history.times[0], unit='D')})"
        for symbol, history in zip(symbols, histories, strict=True)
        if history.times[0] > begins + 10 * DAY
    ]
    return [f"begin later than asked for: {', '.join(late)}"] if late else []


def _departed(close: Float64, times: Times) -> tuple[dict[str, Float64], list[str]]:
    n_gone = int((departures(close, times) >= 0).sum())
    if not n_gone:
        return {}, [f"the symbols were chosen by hand: {SURVIVORS_ONLY}"]
    caveat = (
        f"{n_gone} of {close.shape[1]} instruments leave before the end: whoever holds them is assumed to be paid "
        f"the last close less {HAIRCUT:.0%} (Shumway 1997)"
    )
    return {"delisting": delisting_proceeds(close, times, HAIRCUT)}, [*survivorship(close, times), caveat]
