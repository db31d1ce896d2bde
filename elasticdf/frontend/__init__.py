"""Files to layer graphs: recognises what a model file holds and reads it accordingly."""

from __future__ import annotations

import re
from pathlib import Path

from elasticdf.errors import UserError, located
from elasticdf.frontend import finn
from elasticdf.frontend.qonnx import loading, reading
from elasticdf.frontend.specialise import specialise
from elasticdf.ir import Graph
from elasticdf.layers.kind import FpgaPart

__all__ = ["ANY_PART", "load", "load_with_model", "specialise"]

ANY_PART = FpgaPart(name="")
"""An FPGA like the Alveo boards': DSP48, not of the 7 series."""


def load(
    path: str | Path, *, name: str | None = None, quirks: bool = False, part: FpgaPart = ANY_PART
) -> Graph:
    """Return the layer graph of a model file.

    A file with FINN hardware layers is taken as it is, except that layers without a flavour get
    the one FINN would choose; anything else is a quantised network (QONNX), lowered to the layers
    FINN would make of it with PE = SIMD = 1. The arithmetic is exact: ``graph.prologue`` maps the
    network's own input (batch first, channels second) to the accelerator's input stream (float32
    whole numbers, channels last), ``graph.epilogue`` maps the output stream back to labels (int64,
    shape [N, K]) or real values.

    Args:
        path: An ONNX model; external data must lie beside it.
        name: Of the network; the file's stem by default, odd characters replaced.
        quirks: Follow FINN's bugs where they change attributes (F1: one-bit weights widened).
        part: Decides which layers FINN would write in RTL.

    Raises:
        UserError: The file is unreadable or its network cannot become hardware; one sentence says
            which operator blocks, why, and what would help.
    """
    return load_with_model(path, name=name, quirks=quirks, part=part)[1]


def load_with_model(
    path: str | Path, *, name: str | None = None, quirks: bool = False, part: FpgaPart = ANY_PART
) -> tuple[bytes, Graph]:
    """Return what `load` does together with the model it was read from.

    The bytes are a self-contained ONNX model: external data has moved inside.
    """
    path = Path(path)
    model, content = reading.open_model(path)
    called = name or re.sub(r"[^A-Za-z0-9_.]", "_", path.stem) or "network"
    if re.fullmatch(r"[A-Za-z0-9_.]+", called) is None:
        raise UserError(
            f"network name {called!r} may only hold letters, digits, '_' and '.'; choose another"
        )
    if finn.is_finn_graph(model):
        with located(str(path)):
            return content, specialise(finn.read(model, name=called), part)
    return content, loading.from_model(model, path, called, quirks=quirks, part=part)
