"""Write a file whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from quantdesk.domain.errors import DataError


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the file, then rename over it: an interruption leaves the old one.

    Raises
    ------
    DataError
        If the disk refuses.
    """
    try:
        _write_beside(path, content)
    except OSError as error:
        raise DataError(
            f"{path} could not be written: {error.strerror or error}",
            "a writable disk",
            "free space or set another home; what was there before is untouched",
        ) from error


def _write_beside(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).replace(path)
    finally:
        with suppress(FileNotFoundError):
            Path(beside).unlink()
