"""One typed door to numba: compile on first use, keep the result on disk."""

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

STALE_SECONDS = 86_400
"""Age at which machine code of other versions of the kernels is removed; a younger one may be in use."""


def compiled(function: Function) -> Function:
    """Compile a loop over arrays to machine code, cached beside the source or in the user's cache folder.

    Where neither can be written it is compiled anew by each process. Several processes may start
    at once: each writes the cache whole or not at all. ``fastmath`` stays off: a missing value
    (NaN) means something here.
    """
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder to write to
        made = numba.njit(nogil=True)(function)
    return cast(Function, made)


def digest_of(package: Path) -> str:
    """Digest every file that compiles something."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        if b"@compiled" in text:
            digest.update(text)
    return digest.hexdigest()[:12]


def _keep_beside(package: Path) -> None:
    # Numba looks at a function's own file only. A kernel that calls another file's would stay as it was
    # when that one changes, so all of them share a folder named by what is in all of them.
    folder = package / "__pycache__" / f"kernels-{digest_of(package)}"
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    if not folder.exists():
        for other in folder.parent.glob("kernels-*"):
            if time.time() - other.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


if not numba.config.CACHE_DIR:  # type: ignore[attr-defined]
    _keep_beside(Path(__file__).parents[1])
