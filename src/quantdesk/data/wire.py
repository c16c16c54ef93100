"""Send every request the same way: paced, retried with patience, and answered whole or not at all."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from quantdesk.data.access import Access, Clock
from quantdesk.data.pace import Bucket, Quota
from quantdesk.domain.errors import DataError

Answer = TypeVar("Answer")

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 300.0
"""A source that asks for a longer wait is left alone: the run stops and can be resumed."""


@dataclass(frozen=True)
class Reply:
    """Hold an answer as it came over the wire.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : mapping of str to str
        With names in lower case.
    body : bytes
        Decoded of any compression.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """Send requests to one source.

    Parameters
    ----------
    source : str
        For naming in errors.
    bucket : Bucket
        Holds requests back.
    clock : Clock
        Slept on between attempts.
    secrets : tuple of str
        Keys, which no message may show.
    quota : Quota or None
        Counts requests a day.
    complaint : callable
        Reads a reply of status 200 and gives a reason to try again; empty if there is none.
    """

    source: str
    bucket: Bucket
    clock: Clock
    secrets: tuple[str, ...] = ()
    quota: Quota | None = None
    complaint: Callable[[Reply], str] = lambda reply: ""

    def send(self, ask: Callable[[], Answer], look: Callable[[Answer], Reply], url: str) -> Answer:
        """Ask until there is an answer that need not be asked for again.

        Waits 1, 2, 4, ... seconds between attempts, or as long as ``Retry-After`` says.

        Parameters
        ----------
        ask : callable
            Sends the request once.
        look : callable
            Reads what came.
        url : str
            For naming in errors.

        Raises
        ------
        DataError
            If six attempts fail, the wait asked for is too long, or today's quota is used up.
        """
        said = ""
        for attempt in range(ATTEMPTS):
            self._take()
            seconds = float(2**attempt)
            try:
                answer = ask()
            except _transient() as error:
                said = f"{type(error).__name__}: {error}"
            else:
                reply = look(answer)
                said = _trouble(reply) or self.complaint(reply)
                if not said:
                    return answer
                seconds = self._patience(reply, seconds, url)
            if attempt < ATTEMPTS - 1:
                self.clock.sleep(seconds)
        raise DataError(
            self.plain(f"{self.source} at {_place(url)} failed {ATTEMPTS} times, last with: {said}"),
            "a complete answer",
            "check the connection, or try later; what is finished is kept",
        ) from None

    def refuse(self, reply: Reply, url: str) -> None:
        """Raise what a status of 400 or more means.

        Raises
        ------
        DataError
            Always, if the status is 400 or more.
        """
        if reply.status < 400:
            return
        body = " ".join(reply.body[:300].decode("utf-8", "replace").split())
        action = "check the key and what its plan allows" if reply.status in (401, 402, 403) else "check symbol and dates"
        raise DataError(
            self.plain(f"{self.source} answered {reply.status} at {_place(url)}: {body}"), "status 200", action
        ) from None

    def plain(self, text: str) -> str:
        """Strike the keys out of a text."""
        for secret in self.secrets:
            text = text.replace(secret, "***") if secret else text
        return text

    def _take(self) -> None:
        if self.quota is not None:
            self.quota.take()
        self.bucket.take()

    def _patience(self, reply: Reply, seconds: float, url: str) -> float:
        asked = _retry_after(reply.headers.get("retry-after", ""), self.clock)
        if asked is not None and asked > LONGEST_WAIT_SECONDS:
            raise DataError(
                f"{self.source} at {_place(url)} answered {reply.status} and asks to wait {asked:.0f} seconds",
                f"{LONGEST_WAIT_SECONDS:.0f} or less",
                "run the same command again then; what is finished is kept",
            )
        return seconds if asked is None else asked


def wire_of(access: Access, source: str, per_minute: float, secrets: tuple[str, ...] = (), burst: int = 1) -> Wire:
    """Build the wire to a source, at its documented default rate unless the desk says otherwise."""
    rate = access.per_minute.get(source, per_minute)
    return Wire(source, Bucket(rate, access.clock, burst), access.clock, secrets)


def get_json(session: Any, wire: Wire, url: str, params: Mapping[str, str]) -> Any:
    """Ask a courteous session for JSON.

    Parameters
    ----------
    session : requests.Session
        From ``transports.courteous_session``, so that pace, patience and refusals are its own.
    wire : Wire
        For naming in errors.
    url : str
        Without parameters.
    params : mapping of str to str
        Put behind it.

    Raises
    ------
    DataError
        As ``Wire.send`` and ``Wire.refuse``.
    """
    return json.loads(session.get(url, params=dict(params), timeout=60).content)


def _transient() -> tuple[type[BaseException], ...]:
    # OSError covers requests and curl_cffi; urllib3 has a root of its own.
    from urllib3.exceptions import HTTPError

    return (OSError, HTTPError, http.client.HTTPException)


def _trouble(reply: Reply) -> str:
    if reply.status in RETRIED:
        return f"status {reply.status}"
    if reply.status != 200:
        return ""
    promised = reply.headers.get("content-length", "")
    is_packed = "content-encoding" in reply.headers
    if promised.isdigit() and not is_packed and int(promised) > len(reply.body):
        return f"a body cut off after {len(reply.body)} of {promised} bytes"
    try:
        json.loads(reply.body)
    except ValueError as error:
        return f"a body that is no JSON, or cut off ({error})"
    return ""


def _retry_after(text: str, clock: Clock) -> float | None:
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    wanted = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "ns")
    return max(0.0, float((wanted - clock.now()) / np.timedelta64(1, "s")))


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"
