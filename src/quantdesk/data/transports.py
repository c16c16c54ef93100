"""Put the wire under the client libraries: imported only by what is about to use the network."""

import json
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from quantdesk.data.wire import Reply, Wire


class _Courteous(HTTPAdapter):
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        super().__init__()

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        def ask() -> Any:
            answer = HTTPAdapter.send(self, request, *args, **options)
            _ = answer.content  # read now, so that a body cut off is noticed here
            return answer

        answer = self.wire.send(ask, reply_of, str(request.url))
        self.wire.refuse(reply_of(answer), str(request.url))
        return answer


def courteous_session(wire: Wire) -> Any:
    """Build a ``requests.Session`` that is paced and patient, and refuses any status of 400 or more."""
    session = requests.Session()
    courteous(session, wire)
    return session


def courteous(session: Any, wire: Wire) -> None:
    """Make a session that a library has built paced and patient."""
    session.mount("http://", _Courteous(wire))
    session.mount("https://", _Courteous(wire))


def reply_of(answer: Any) -> Reply:
    """Read the answer of ``requests`` or ``curl_cffi``."""
    return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)


class CourteousPool:
    """Stand in for the ``urllib3`` pool of a library, paced and patient.

    Parameters
    ----------
    pool : urllib3.PoolManager
        Sends; built with ``retries=False``.
    wire : Wire
        Decides when.
    """

    def __init__(self, pool: Any, wire: Wire) -> None:
        self._pool, self._wire = pool, wire

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request as ``urllib3`` does.

        Raises
        ------
        DataError
            As ``Wire.send`` and ``Wire.refuse``.
        """
        answer = self._wire.send(lambda: self._pool.request(method, url, **options), _pooled, url)
        self._wire.refuse(_pooled(answer), url)
        return answer


def _pooled(answer: Any) -> Reply:
    return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data)


def body_of(answer: Any) -> Any:
    """Read JSON from an answer of ``urllib3``."""
    return json.loads(answer.data)
