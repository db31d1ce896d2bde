"""FINN's tables of the reference networks as layers and layer graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Tensor
from elasticdf.layers import with_defaults
from tests.truth import SHARED, shared

ONE_BIT_WEIGHTS = ("cnv_1w1a", "resnet50_w1a2")
"""Networks whose BIPOLAR weights FINN widened to INT2 after it had folded (its error F1)."""

FOLDINGS: tuple[str, ...] = (
    tuple(
        sorted(
            str(path.parent.relative_to(SHARED / "truth/finn"))
            for path in (SHARED / "truth/finn").glob("*/*/layers.json")
        )
    )
    if SHARED
    else ()
)
"""Every ``network/folding`` there is a table of."""


@cache
def document(path: str) -> Any:
    """Return a JSON file under ``truth/finn``."""
    return json.loads(shared(f"truth/finn/{path}").read_text())


def attribute(value: Any) -> AttributeValue:
    """Return an attribute value as the layer graph holds it."""
    return tuple(value) if isinstance(value, list) else value


def layer_of(entry: Mapping[str, Any]) -> Layer:
    """Return the layer of one entry."""
    return with_defaults(
        Layer(
            name=entry["name"],
            op_type=entry["op_type"],
            attributes={name: attribute(value) for name, value in entry["attrs"].items()},
            inputs=tuple(entry["inputs"]),
            outputs=tuple(entry["outputs"]),
        )
    )


def graph_of(folding: str) -> Graph:
    """Return the layer graph of a table, its parameters as they were before FINN minimised them."""
    entries = document(f"{folding}/layers.json")["layers"]
    produced = {name for entry in entries for name in entry["outputs"]}
    tensors: dict[str, Tensor] = {}
    inputs: list[str] = []
    for entry in entries:
        if entry["inputs"][0] not in produced:
            inputs.append(entry["inputs"][0])
        for name in entry["inputs"]:
            stream = name in produced or name in inputs
            tensors.setdefault(
                name, _stream(name, entry, "input") if stream else _parameter(name, folding, entry)
            )
        for name in entry["outputs"]:
            tensors[name] = _stream(name, entry, "output")
    return Graph(
        name=folding.split("/")[0],
        layers=tuple(layer_of(entry) for entry in entries),
        tensors=tensors,
        inputs=tuple(inputs),
        outputs=(entries[-1]["outputs"][0],),
    )


def _stream(name: str, entry: Mapping[str, Any], end: str) -> Tensor:
    return Tensor(
        name=name,
        shape=tuple(entry[f"normal_{end}_shape"]),
        datatype=DataType.parse(entry[f"{end}_datatype"]),
    )


def _parameter(name: str, folding: str, entry: Mapping[str, Any]) -> Tensor:
    minimised = entry["attrs"].get("weightDataType", "FLOAT32")
    widened = folding.split("/")[0] in ONE_BIT_WEIGHTS and minimised == "INT2"
    datatype = DataType.parse("BIPOLAR" if widened else minimised)
    return Tensor(name=name, shape=(1,), datatype=datatype)
