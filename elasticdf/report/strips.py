"""An area cut into blocks that keep their order: a strip treemap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def strips(
    sizes: Sequence[float], width: float, height: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield a rectangle per size, filling the area in reading order, bottom strip first.

    Neighbours in the sequence are neighbours in the picture (a strip treemap: a strip takes
    further items while that makes its blocks squarer).

    Args:
        sizes: At least 0; each gets its share of the area.
        width: Of the whole area.
        height: The same.
    """
    total = sum(sizes)
    if total <= 0 or height <= 0:
        yield from ((0.0, max(height, 0.0), 0.0, 0.0) for _ in sizes)
        return
    unit = width * height / total
    floor = height
    for strip in _strips([size * unit for size in sizes], width):
        deep = sum(strip) / width
        floor -= deep
        x = 0.0
        for area in strip:
            across = area / deep if deep else 0.0
            yield x, floor, across, deep
            x += across


def _strips(areas: Sequence[float], width: float) -> Iterator[list[float]]:
    strip: list[float] = []
    for area in areas:
        if strip and _worst(strip, width) < _worst([*strip, area], width):
            yield strip
            strip = []
        strip = [*strip, area]
    if strip:
        yield strip


def _worst(strip: Sequence[float], width: float) -> float:
    """The mean aspect ratio of a strip's blocks, the longer side over the shorter."""
    deep = sum(strip) / width
    if deep == 0:
        return 0.0
    ratios = [max(deep * deep / area, area / (deep * deep)) for area in strip if area > 0]
    return sum(ratios) / len(ratios)
