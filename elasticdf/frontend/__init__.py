"""Files to layer graphs: recognises what a model file holds and reads it accordingly."""

from __future__ import annotations

import re
from pathlib import Path

import onnx

from elasticdf.errors import UserError
from elasticdf.frontend.qonnx import loading, reading
from elasticdf.ir import Graph

_HARDWARE_DOMAIN = "finn.custom_op.fpgadataflow"


def load(path: str | Path, *, name: str | None = None, quirks: bool = False) -> Graph:
    """Return the layer graph of a model file.

    A file with FINN hardware layers is taken as it is; anything else is a quantised network
    (QONNX), lowered to the layers FINN would make of it with PE = SIMD = 1. The arithmetic is
    exact: ``graph.prologue`` maps the network's own input (batch first, channels second) to the
    accelerator's input stream (float32 whole numbers, channels last), ``graph.epilogue`` maps the
    output stream back to labels (int64, shape [N, K]) or real values.

    Args:
        path: An ONNX model; external data must lie beside it.
        name: Of the network; the file's stem by default, odd characters replaced.
        quirks: Follow FINN's bugs where they change attributes (F1: one-bit weights widened).

    Raises:
        UserError: The file is unreadable or its network cannot become hardware; one sentence says
            which operator blocks, why, and what would help.
    """
    path = Path(path)
    model = reading.open_model(path)
    called = name or re.sub(r"[^A-Za-z0-9_.]", "_", path.stem) or "network"
    if re.fullmatch(r"[A-Za-z0-9_.]+", called) is None:
        raise UserError(
            f"network name {called!r} may only hold letters, digits, '_' and '.'; choose another"
        )
    if any(node.domain.startswith(_HARDWARE_DOMAIN) for node in model.graph.node):
        from elasticdf.frontend import finn  # noqa: PLC0415 - loaded only where needed

        return finn.read(model, name=called)
    return loading.from_model(model, path, called, quirks=quirks)
