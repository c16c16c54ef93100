"""The elementary operations of the machine, each a loop over neighbouring numbers."""

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.domain.compiled import compiled_in_place
from quantdesk.features.operations import (
    ABOVE,
    ABS,
    ADD,
    AFFINE,
    BELOW,
    CLIP,
    COPY,
    DIVIDE,
    DRIFT,
    FILL,
    LOG,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEWEST,
    PRESENT,
    RATIO,
    SPREAD,
    SQRT,
    WHERE,
)

_ROOT_HALF, _MANTISSA = 0x3FE6A09E00000000, 0x000FFFFFFFFFFFFF
_SMALLEST = float(np.finfo(np.float64).tiny)


@compiled_in_place
def of_one(code: int, out: Float64, a: Float64, scale: float, shift: float) -> None:
    """Apply an operation of one argument to neighbouring numbers, all of shape (n,)."""
    if code == COPY:
        copy(out, a)
    elif code == AFFINE:
        _affine(out, a, scale, shift)
    elif code == LOG:
        _log(out, a)
    elif code == SQRT:
        _sqrt(out, a, scale)
    elif code == ABS:
        _size(out, a)
    elif code == FILL:
        _fill(out, a)
    elif code == PRESENT:
        _present(out, a)
    elif code == ABOVE:
        _above(out, a, scale)
    elif code == CLIP:
        _clip(out, a, scale, shift)


@compiled_in_place
def copy(out: Float64, a: Float64) -> None:
    """Copy neighbouring numbers, all of shape (n,)."""
    for k in range(len(out)):
        out[k] = a[k]


@compiled_in_place
def _affine(out: Float64, a: Float64, scale: float, shift: float) -> None:
    for k in range(len(out)):
        out[k] = scale * a[k] + shift


@compiled_in_place
def _log(out: Float64, a: Float64) -> None:
    # The polynomial of fdlibm's e_log.c, within one unit in the last place, written without a
    # branch so that several numbers are done at once: a = 2**power * (1 + part).
    bits, mantissa = a.view(np.int64), out.view(np.int64)
    for k in range(len(out)):
        mantissa[k] = ((bits[k] - _ROOT_HALF) & _MANTISSA) + _ROOT_HALF
    for k in range(len(out)):
        power, part = float((bits[k] - _ROOT_HALF) >> 52), out[k] - 1.0
        s = np.divide(part, 2.0 + part)
        z = s * s
        w = z * z
        odd = z * (
            0.6666666666666735130 + w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591))
        )
        rest = odd + w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
        half = 0.5 * part * part
        value = power * 6.93147180369123816490e-01 - ((half - (s * (half + rest) + power * 1.90821492927058770002e-10)) - part)
        out[k] = value if _SMALLEST <= a[k] < np.inf else (np.inf if a[k] > 1.0 else np.nan)


@compiled_in_place
def _sqrt(out: Float64, a: Float64, scale: float) -> None:
    for k in range(len(out)):
        out[k] = np.sqrt(scale * a[k])


@compiled_in_place
def _size(out: Float64, a: Float64) -> None:
    for k in range(len(out)):
        out[k] = abs(a[k])


@compiled_in_place
def _fill(out: Float64, a: Float64) -> None:
    for k in range(len(out)):
        out[k] = a[k] if a[k] == a[k] else 0.0


@compiled_in_place
def _present(out: Float64, a: Float64) -> None:
    for k in range(len(out)):
        out[k] = 1.0 if a[k] == a[k] else 0.0


@compiled_in_place
def _above(out: Float64, a: Float64, level: float) -> None:
    for k in range(len(out)):
        out[k] = (1.0 if a[k] > level else 0.0) if a[k] == a[k] else np.nan


@compiled_in_place
def _clip(out: Float64, a: Float64, low: float, high: float) -> None:
    for k in range(len(out)):
        value = a[k] if a[k] > low or a[k] != a[k] else low
        out[k] = value if value < high or value != value else high


@compiled_in_place
def of_two(code: int, out: Float64, a: Float64, b: Float64, weight: float) -> None:
    """Apply an operation of two arguments to neighbouring numbers, all of shape (n,)."""
    if code == ADD:
        _add(out, a, b, weight)
    elif code == MULTIPLY:
        _multiply(out, a, b, weight)
    elif code == DIVIDE:
        _divide(out, a, b, weight)
    elif code == RATIO:
        _ratio(out, a, b)
    elif code == MAXIMUM:
        _maximum(out, a, b)
    elif code == MINIMUM:
        _minimum(out, a, b)
    elif code == BELOW:
        _below(out, a, b)


@compiled_in_place
def _add(out: Float64, a: Float64, b: Float64, weight: float) -> None:
    for k in range(len(out)):
        out[k] = a[k] + weight * b[k]


@compiled_in_place
def _multiply(out: Float64, a: Float64, b: Float64, scale: float) -> None:
    for k in range(len(out)):
        out[k] = scale * a[k] * b[k]


@compiled_in_place
def _divide(out: Float64, a: Float64, b: Float64, scale: float) -> None:
    for k in range(len(out)):
        out[k] = np.divide(scale * a[k], b[k] if b[k] > 0.0 else np.nan)


@compiled_in_place
def _ratio(out: Float64, a: Float64, b: Float64) -> None:
    for k in range(len(out)):
        out[k] = np.divide(a[k], b[k] if abs(b[k]) > 1e-12 else np.nan)


@compiled_in_place
def _maximum(out: Float64, a: Float64, b: Float64) -> None:
    for k in range(len(out)):
        out[k] = a[k] if a[k] > b[k] or a[k] != a[k] else b[k]


@compiled_in_place
def _minimum(out: Float64, a: Float64, b: Float64) -> None:
    for k in range(len(out)):
        out[k] = a[k] if a[k] < b[k] or a[k] != a[k] else b[k]


@compiled_in_place
def _below(out: Float64, a: Float64, b: Float64) -> None:
    for k in range(len(out)):
        out[k] = 1.0 if a[k] <= b[k] else 0.0


@compiled_in_place
def of_more(
    code: int, out: Float64, a: Float64, b: Float64, c: Float64, d: Float64, near: float, far: float, weight: float
) -> None:
    """Apply an operation of three or four arguments to neighbouring numbers, all of shape (n,)."""
    if code == WHERE:
        _where(out, a, b, c)
    elif code == NEWEST:
        _newest(out, a, b, c, d, near)
    elif code == SPREAD:
        _spread(out, a, b, c, d, near, far, weight)
    elif code == DRIFT:
        _drift(out, a, b, c, d, near, far, weight)


@compiled_in_place
def _where(out: Float64, a: Float64, b: Float64, c: Float64) -> None:
    for k in range(len(out)):
        one, other = b[k], c[k]  # both read first: so the loop has no branch
        out[k] = one if a[k] > 0.0 else other


@compiled_in_place
def _newest(out: Float64, a: Float64, b: Float64, c: Float64, d: Float64, older: float) -> None:
    for k in range(len(out)):
        out[k] = c[k] if a[k] >= b[k] else d[k] + older


@compiled_in_place
def _spread(out: Float64, a: Float64, b: Float64, c: Float64, d: Float64, near: float, far: float, weight: float) -> None:
    for k in range(len(out)):
        apart = a[k] * near - b[k] * far
        out[k] = c[k] + d[k] + weight * apart * apart


@compiled_in_place
def _drift(out: Float64, a: Float64, b: Float64, c: Float64, d: Float64, near: float, far: float, weight: float) -> None:
    for k in range(len(out)):
        out[k] = c[k] + d[k] + weight * (a[k] * near - b[k] * far)


@compiled_in_place
def product(
    out: Float64, a: Float64, b: Float64, c: Float64, d: Float64, e: Float64, f: Float64, near: float, far: float, weight: float
) -> None:
    """Merge sums of products of two neighbouring windows, from their sums (a, b), (c, d) and products e, f."""
    for k in range(len(out)):
        out[k] = e[k] + f[k] + weight * (a[k] * near - b[k] * far) * (c[k] * near - d[k] * far)


@compiled_in_place
def add_share(out: Float64, newest: Float64, level: Float64, weight: Float64, factor: float) -> None:
    """Add the weight where the level is at most the newest one times a factor."""
    for k in range(len(out)):
        out[k] += weight[k] if level[k] <= factor * newest[k] else 0.0


@compiled_in_place
def add_shares(
    out: Float64, newest: Float64, level: Float64, weight: Float64, before: Float64, weight_before: Float64, factor: float
) -> None:
    """Do the same for two bars at once, one after the other."""
    for k in range(len(out)):
        edge, one, other = factor * newest[k], weight[k], weight_before[k]
        out[k] = (out[k] + (one if level[k] <= edge else 0.0)) + (other if before[k] <= edge else 0.0)
