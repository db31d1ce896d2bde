"""Plain text tables for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under a header, columns aligned; numbers to the right, text to the left.

    >>> print(table(("name", "lut"), [("a", 10), ("bb", 5)]))
    name  lut
    a      10
    bb      5
    """
    body = [tuple(row) for row in rows]
    texts = [tuple(str(name) for name in header), *(tuple(map(_text, row)) for row in body)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    right = [
        bool(body) and all(_is_number(row[column]) for row in body) for column in range(len(header))
    ]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    )


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return value.lstrip("~").isdigit() or value in ("", "?")
    return isinstance(value, int | float)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
