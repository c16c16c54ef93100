"""One typed door to numba: compile on first use, keep the result on disk."""

import gc
import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.registry import CPUDispatcher
from numba.np import linalg

Function = TypeVar("Function", bound=Callable[..., object])

STALE_SECONDS = 86_400
"""Age at which machine code of other versions of the kernels is removed; a younger one may be in use."""


def compiled(function: Function) -> Function:
    """Compile a loop over arrays to machine code, cached beside the source or in the user's cache folder.

    Where neither can be written it is compiled anew by each process. Several processes may start
    at once: each writes the cache whole or not at all. ``fastmath`` stays off: a missing value
    (NaN) means something here.
    """
    return _kernel(function, {})


def compiled_in_place(function: Function) -> Function:
    """Compile a loop that makes no array: all that it writes to is handed to it.

    As ``compiled``, but no array is counted by who holds it, which compiles and runs faster. It may
    take views of what it was given; numba refuses one that makes an array. Let it call no function
    that returns one.
    """
    return _kernel(function, {"_nrt": False})


def _kernel(function: Function, options: dict[str, bool]) -> Function:
    made = _Kernel(function, targetoptions={"nopython": True, "nogil": True, "no_cfunc_wrapper": True, **options})
    with suppress(RuntimeError):  # numba found no folder to write to
        made.enable_caching()
    return cast(Function, made)


class _Kernel(CPUDispatcher):
    # What Python calls is kept on disk. What another kernel calls becomes a part of that one: a leaner
    # compilation, without the way in from Python and without a file, takes half the time.

    @property
    def _numba_type_(self) -> Any:
        return numba.types.Dispatcher(self._part)

    @cached_property
    def _part(self) -> Any:
        return CPUDispatcher(self.py_func, targetoptions={**self.targetoptions, "no_cpython_wrapper": True})

    def compile(self, sig: Any) -> Any:
        # A compiler makes very many objects; the collector would look at all of them over and over.
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if was_enabled:
                gc.enable()


def _spare_scipy() -> None:
    # Numba imports all of scipy.linalg (0.2 s) only to learn that it is there. So it is, among our
    # dependencies; a kernel that multiplies matrices still imports it, when it is compiled.
    ask = getattr(linalg, "ensure_blas", None)
    if ask and "numba.np.arraymath" not in sys.modules:
        linalg.ensure_blas = lambda: None
        import_module("numba.np.arraymath").ensure_blas = ask  # type: ignore[attr-defined]
        linalg.ensure_blas = ask


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
_spare_scipy()
