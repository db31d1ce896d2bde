"""How many memory primitives a buffer takes, by FINN's counting; and arithmetic on divisors.

The shapes are those of AMD's BRAM18 (UG573 table 1-2) and UltraRAM; where FINN counts differently
in different layers, the function takes the difference as an argument.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from elasticdf.errors import UserError
from elasticdf.ir import Layer
from elasticdf.layers.kind import Attributes

_LARGEST_DIMENSION = 2**36


def ceil_div(number: int, by: int) -> int:
    """Return the quotient rounded up."""
    return -(-number // by)


@lru_cache(maxsize=4096)
def divisors(number: int) -> tuple[int, ...]:
    """Return all divisors, ascending.

    Raises:
        UserError: The number is beyond anything that could be built.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    if not 1 <= number <= _LARGEST_DIMENSION:
        raise UserError(f"a layer dimension of {number} cannot be folded; check the model's layers")
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(small + [number // d for d in reversed(small) if d * d != number])


def divisor_foldings(layer: Layer, name: str, total: int) -> tuple[Attributes, ...]:
    """Return the foldings of a layer with one parallelism attribute."""
    return tuple({name: parallel} for parallel in divisors(total))


def bram18(width: int, depth: int, *, widths: tuple[int, int, int] = (9, 18, 36)) -> int:
    """Return BRAM18 for a memory of ``depth`` words of ``width`` bits.

    Args:
        width: Bits per word.
        depth: Words.
        widths: Bits one primitive gives at 2048, 1024 and 512 words: with parity bits for MVAU and
            FIFOs, without for VVAU (``matrixvectoractivation.py``,
            ``vectorvectoractivation.py``: bram_estimation).
    """
    if width <= 2:
        return ceil_div(depth, 16384 if width == 1 else 8192)
    if width <= 4:
        return ceil_div(depth, 4096) * ceil_div(width, 4)
    if width <= 9:
        return ceil_div(depth, 2048) * ceil_div(width, widths[0])
    if width <= 18 or depth > 512:
        return ceil_div(depth, 1024) * ceil_div(width, widths[1])
    return ceil_div(depth, 512) * ceil_div(width, widths[2])


def uram(width: int, depth: int) -> int:
    """Return UltraRAMs (4096 words of 72 bits) for a memory."""
    return ceil_div(width, 72) * ceil_div(depth, 4096)


def bram18_word_bits(depth: float) -> int:
    """Return the widest word one BRAM18 gives at a depth, as FINN's window buffers count it."""
    for words, bits in ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2)):
        if depth <= words:
            return bits
    return 1


def cascaded_bram18(width: int, depth: int) -> int:
    """Return BRAM18 for a window buffer; deep ones are cascaded and the last row may be wider.

    Source: ``convolutioninputgenerator_rtl.py``, bram_estimation.
    """
    columns = ceil(width / bram18_word_bits(depth))
    rows = ceil(depth / 16384)
    if depth <= 16384:
        return rows * columns
    return (rows - 1) * columns + ceil(width / bram18_word_bits(depth % 16384))
