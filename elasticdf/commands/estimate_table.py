"""The estimate as a table for people."""

from __future__ import annotations

from elasticdf.costs.network import LayerReport, NetworkEstimate
from elasticdf.ir import RESOURCE_NAMES
from elasticdf.table import table
from elasticdf.units import format_si

_FOLDING = ("PE", "SIMD", "parallel_window")
_UNKNOWN = "?"
_ASSUMED = "~"


def estimate_table(estimate: NetworkEstimate) -> str:
    """Return one line per layer, totals, the bottleneck and what the numbers leave out.

    A ``~`` marks a number that rests on an assumed coefficient, ``?`` one that is not known.
    """
    rows = [_row(report) for report in estimate.layers]
    totals = ("total", "", "", *(_amount(value) for _, value in estimate.totals.items()))
    first, *others = estimate.bottlenecks
    clock = format_si(estimate.clock_hz, "Hz")
    lines = (
        f"{estimate.network} on {estimate.board} at {clock}, costs {estimate.costs}",
        table(("layer", "folding", "cycles", *RESOURCE_NAMES), (*rows, totals)),
        f"{estimate.frames_per_second:.1f} frames per second; the slowest layer is "
        f"{first.layer.name} with {first.cost.cycles} cycles, then "
        + ", ".join(f"{report.layer.name} ({report.cost.cycles})" for report in others),
        *(f"warning: {warning}" for warning in estimate.warnings),
    )
    return "\n".join(lines)


def _row(report: LayerReport) -> tuple[str, ...]:
    folding = " ".join(
        f"{name}={report.layer.attributes[name]}"
        for name in _FOLDING
        if report.layer.attributes.get(name)
    )
    amounts = (
        _amount(value, assumed=name in report.cost.assumed)
        for name, value in report.cost.resources.items()
    )
    return (report.layer.name, folding, str(report.cost.cycles), *amounts)


def _amount(value: int | None, *, assumed: bool = False) -> str:
    if value is None:
        return _UNKNOWN
    return f"{_ASSUMED}{value}" if assumed else str(value)
