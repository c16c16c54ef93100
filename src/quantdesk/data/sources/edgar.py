"""Company facts as filed with the SEC, from EDGAR's XBRL frames; a contact address, no key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from quantdesk.data.access import Access, library
from quantdesk.data.facts import kept_or_asked, next_day, without_repeats
from quantdesk.data.wire import Wire, get_json, wire_of
from quantdesk.domain.errors import DataError
from quantdesk.domain.records import Records, joined

PER_MINUTE = 300.0
"""The SEC allows ten requests a second; this is half."""

CONTACT, WHERE = "edgar_contact", "yourself: the SEC asks for a name and a mail address, as 'Jane Doe jane@example.com'"
FACTS_URL, NAMES_URL = "https://data.sec.gov", "https://www.sec.gov"

CONCEPTS: Mapping[str, tuple[str, ...]] = {
    "revenue": (
        "us-gaap/RevenueFromContractWithCustomerExcludingAssessedTax/USD",
        "us-gaap/Revenues/USD",
        "us-gaap/SalesRevenueNet/USD",
    ),
    "gross_profit": ("us-gaap/GrossProfit/USD",),
    "operating_income": ("us-gaap/OperatingIncomeLoss/USD",),
    "net_income": ("us-gaap/NetIncomeLoss/USD",),
    "eps_diluted": ("us-gaap/EarningsPerShareDiluted/USD/shares",),
    "operating_cash_flow": ("us-gaap/NetCashProvidedByUsedInOperatingActivities/USD",),
    "assets": ("us-gaap/Assets/USD",),
    "liabilities": ("us-gaap/Liabilities/USD",),
    "equity": ("us-gaap/StockholdersEquity/USD",),
    "cash": ("us-gaap/CashAndCashEquivalentsAtCarryingValue/USD",),
    "shares_outstanding": ("dei/EntityCommonStockSharesOutstanding/shares",),
}
"""What a fact is called here, and the concepts (taxonomy/tag/unit) that hold it, first choice first."""

_LENGTHS = {"quarter": (80, 100), "year": (350, 380)}


@dataclass(frozen=True)
class Edgar:
    """Ask EDGAR for what companies reported, filing by filing.

    A fact counts as known from the day after its filing, so from the next session; a restatement
    is a new record. Facts over a period are called ``revenue_quarter`` or ``revenue_year``; the
    fourth quarter is not reported alone, and sums over a year to date are left out.

    Parameters
    ----------
    symbols : tuple of str
        Tickers of today.
    access : Access
        Cache, clock, whom to tell, and under the key ``edgar_contact`` the name and address that
        the SEC asks for.
    name : str
        What the collection is called.
    base_url : str
        Another server in place of the SEC's two.
    """

    symbols: tuple[str, ...]
    access: Access
    name: str = ""
    base_url: str = ""

    kind = "edgar"

    def records(self) -> Records:
        """Return the facts of ``CONCEPTS``, every vintage.

        Raises
        ------
        DataError
            If the contact is missing, a symbol unknown, or an answer cannot be kept.
        """
        contact = self.access.key(CONTACT, WHERE)
        if "@" not in contact:
            raise DataError(f"the contact for the SEC is {contact!r}", "a name and a mail address", "correct edgar_contact")
        wire = wire_of(self.access, self.kind, PER_MINUTE, burst=5)
        library("requests")
        session = library("quantdesk.data.transports").courteous_session(wire)
        session.headers["User-Agent"] = contact
        ciks: dict[str, int] = {}
        parts = []
        for done, symbol in enumerate(self.symbols):
            self.access.tell(f"edgar {symbol}", done, len(self.symbols))
            path = self.access.cache(self.kind) / f"{quote(symbol, safe='')}.npz"
            parts.append(kept_or_asked(path, self.access, lambda symbol=symbol: self._company(session, wire, ciks, symbol)))  # type: ignore[misc]
        self.access.tell("edgar", len(self.symbols), len(self.symbols))
        return joined(parts, self.name or self.kind)

    def _company(self, session: Any, wire: Wire, ciks: dict[str, int], symbol: str) -> Records:
        if not ciks:
            named = get_json(session, wire, f"{self.base_url or NAMES_URL}/files/company_tickers.json", {})
            ciks.update({str(row["ticker"]): int(row["cik_str"]) for row in named.values()})
        if symbol not in ciks:
            raise DataError(f"the SEC lists no company as {symbol}", "a ticker of today", "check it, as BRK-B")
        url = f"{self.base_url or FACTS_URL}/api/xbrl/companyfacts/CIK{ciks[symbol]:010d}.json"
        body = get_json(session, wire, url, {})
        if int(body.get("cik", -1)) != ciks[symbol]:
            raise DataError(
                f"edgar was asked for CIK {ciks[symbol]} ({symbol}) and answered with {body.get('cik')}",
                "the company asked for",
                "try later; nothing was kept",
            )
        return without_repeats(facts_of(symbol, body))


def facts_of(symbol: str, body: Mapping[str, Any]) -> Records:
    """Read the facts of ``CONCEPTS`` from a company's body.

    Raises
    ------
    DataError
        If there is none, or the body is not as documented.
    """
    rows: list[tuple[str, str, str, float]] = []
    try:
        for name, concepts in CONCEPTS.items():
            rows += _filed(name, concepts, body["facts"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"edgar's answer for {symbol} is not as documented ({type(error).__name__}: {error})", "facts", "try later"
        ) from error
    if not rows:
        raise DataError(f"edgar has none of {', '.join(CONCEPTS)} for {symbol}", "one at least", "check the symbol")
    names, periods, filed, values = zip(*rows, strict=True)
    return Records(
        subjects=np.full(len(rows), symbol),
        names=np.array(names),
        periods=np.array(periods, dtype="datetime64[ns]"),
        known_at=next_day(np.array(filed, dtype="datetime64[D]")),
        values=np.array(values, dtype=np.float64),
        name="edgar",
    )


def _filed(name: str, concepts: tuple[str, ...], facts: Mapping[str, Any]) -> list[tuple[str, str, str, float]]:
    # Within one filing the first concept that it uses counts; a later filing's choice must not
    # reach back and hide what an earlier one said under another tag.
    found: dict[tuple[str, str, str], tuple[str, str, str, float]] = {}
    for concept in concepts:
        taxonomy, tag, unit = concept.split("/", 2)
        for entry in facts.get(taxonomy, {}).get(tag, {}).get("units", {}).get(unit, ()):
            called = _called(name, entry)
            if called and entry["end"] <= entry["filed"]:
                row = (called, entry["end"], entry["filed"], float(entry["val"]))
                found.setdefault((called, entry["end"], entry["accn"]), row)
    return list(found.values())


def _called(name: str, entry: Mapping[str, Any]) -> str:
    if "start" not in entry:
        return name
    days = int((np.datetime64(entry["end"]) - np.datetime64(entry["start"])) / np.timedelta64(1, "D"))
    return next((f"{name}_{length}" for length, (least, most) in _LENGTHS.items() if least <= days <= most), "")
