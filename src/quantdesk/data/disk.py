"""Put bytes on a disk so that they are there after the power fails."""

import os
import re
from contextlib import suppress
from pathlib import Path


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a file and wait until the disk has it.

    Raises
    ------
    OSError
        If the disk is full or refuses.
    """
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows the names in a folder.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    # Windows does not open folders; there the rename itself is what is kept.
    with suppress(PermissionError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_plain_name(name: str) -> bool:
    """Say whether a name is safe as a folder: up to 100 letters, digits, '.', '_' and '-', no '.' first."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name) is not None
