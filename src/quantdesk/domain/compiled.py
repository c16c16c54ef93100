"""One typed door to numba: compile on first use, keep the result on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


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
