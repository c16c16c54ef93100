"""One typed door to numba: compile on first use, keep the result on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a loop over arrays to machine code, cached beside the source.

    ``fastmath`` stays off: a missing value (NaN) means something here.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
