"""The ledger on disk: one line a bar, written whole or not at all, chained by digests."""

import hashlib
import json
import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from quantdesk.domain.errors import LedgerError
from quantdesk.domain.trade import CashFlow, Event, Fill, Order, Split


@dataclass(frozen=True)
class Page:
    """Hold what one bar added.

    Parameters
    ----------
    time : numpy.datetime64
        The bar's close.
    events : tuple of Event
        What the broker reported.
    orders : tuple of Order
        What was submitted for the next bar.
    equity : float
        Net asset value at the close, account currency.
    """

    time: np.datetime64
    events: tuple[Event, ...]
    orders: tuple[Order, ...]
    equity: float


class Journal:
    """Keep pages in a file. A torn last line, from a kill while writing, is cut off when opened.

    Parameters
    ----------
    path : Path
        The file, created when the first page is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last_digest: str | None = None

    def pages(self) -> list[Page]:
        """Read every whole page.

        Raises
        ------
        LedgerError
            If a page was edited, removed or reordered.
        """
        self._last_digest = ""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        return [self._read(number, line) for number, line in enumerate(whole.decode(errors="replace").splitlines(), start=1)]

    def write(self, page: Page) -> None:
        """Append a page and wait until the disk has it.

        Raises
        ------
        LedgerError
            If the disk does not take it.
        """
        if self._last_digest is None:
            self.pages()
        body = json.dumps(_to_plain(page), separators=(",", ":"))
        digest = _digest(self._last_digest or "", body)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(f"{digest} {body}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerError(
                f"journal {self.path}: {error.strerror}", "room and permission to append", "free the disk, then restart"
            ) from error
        self._last_digest = digest

    def _read(self, number: int, line: str) -> Page:
        digest, _, body = line.partition(" ")
        if digest != _digest(self._last_digest or "", body):
            raise LedgerError(
                f"journal {self.path}: page {number} does not follow the one before",
                "an unaltered journal",
                "restore it from a backup",
            )
        self._last_digest = digest
        return _from_plain(json.loads(body))


def _digest(previous: str, body: str) -> str:
    return hashlib.sha256(f"{previous}{body}".encode()).hexdigest()[:32]


def _to_plain(page: Page) -> dict[str, object]:
    return {
        "time": str(page.time),
        "equity": page.equity,
        "events": [_event_to_plain(event) for event in page.events],
        "orders": [[order.id, order.symbol, str(order.quantity), str(order.created_at)] for order in page.orders],
    }


def _event_to_plain(event: Event) -> list[str]:
    if isinstance(event, Fill):
        return ["fill", event.order_id, event.symbol, str(event.quantity), str(event.price), str(event.fee), str(event.time)]
    if isinstance(event, Split):
        return ["split", event.symbol, str(event.ratio), str(event.time)]
    return ["cash", event.kind, event.symbol, str(event.amount), str(event.time)]


def _event_from_plain(parts: list[str]) -> Event:
    kind, *rest = parts
    time = np.datetime64(rest[-1], "ns")
    if kind == "fill":
        return Fill(rest[0], rest[1], Decimal(rest[2]), Decimal(rest[3]), Decimal(rest[4]), time)
    if kind == "split":
        return Split(rest[0], Decimal(rest[1]), time)
    return CashFlow(rest[0], rest[1], Decimal(rest[2]), time)


def _from_plain(plain: dict[str, list[list[str]]]) -> Page:
    orders = (Order(parts[0], parts[1], Decimal(parts[2]), np.datetime64(parts[3], "ns")) for parts in plain["orders"])
    events = (_event_from_plain(parts) for parts in plain["events"])
    return Page(np.datetime64(str(plain["time"]), "ns"), tuple(events), tuple(orders), float(str(plain["equity"])))
