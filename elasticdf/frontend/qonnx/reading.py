"""Opens a model file and checks everything that can be checked before its operators are looked at.

The file is hostile: size, truncation, external data, cycles and odd inputs each end in one
sentence. Nothing is interpreted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from elasticdf.errors import UserError
from elasticdf.frontend.diagnose import Place

_MAX_BYTES = 2**31
_MAX_OPERATORS = 50_000
_MAX_ELEMENTS = 2**31
_MAX_INPUT = 2**28
_OPSETS = (9, 23)
"""Oldest and newest version of the standard operators understood."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Op:
    """One operator of the network.

    Attributes:
        type: ONNX operator type.
        domain: Empty for standard operators.
        inputs: Tensor names; empty text for an input left out.
        outputs: Tensor names.
        attributes: Decoded; text as ``str``, lists as tuples.
        place: For messages.
    """

    type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A network as its file says, operators in an order that can be run.

    Attributes:
        opset: Version of the standard operators.
        ops: Producers before consumers.
        constants: Initialisers by name.
        input: Name of the only input that is not a constant.
        input_shape: Batch 1.
        output: Name of the only output.
        datatypes: FINN data type annotations by tensor.
        metadata: Key-value pairs of the file.
    """

    opset: int
    ops: tuple[Op, ...]
    constants: Mapping[str, NDArray[np.generic]]
    input: str
    input_shape: tuple[int, ...]
    output: str
    datatypes: Mapping[str, str]
    metadata: Mapping[str, str]

    def uses(self) -> Counter[str]:
        """Return how many inputs read each tensor's values; the network's output counts once."""
        reading = (op for op in self.ops if op.type != "Shape")
        counts = Counter(name for op in reading for name in op.inputs if name)
        counts[self.output] += 1
        return counts


def open_model(path: Path) -> tuple[onnx.ModelProto, bytes]:
    """Return the model of a file, external data included, and its bytes.

    Raises:
        UserError: Missing, too large, not ONNX, truncated, or external data out of bounds.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UserError(f"{path}: this is no file; give the path of an ONNX model")
        if size > _MAX_BYTES:
            raise UserError(
                f"{path}: {size} bytes, an ONNX file holds at most {_MAX_BYTES}; "
                "keep the weights in external data beside the model"
            )
        model = onnx.ModelProto()
        content = path.read_bytes()
        model.ParseFromString(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise UserError(f"{path}: not an ONNX model, or cut short; export it again") from None
    if not model.graph.node:
        raise UserError(f"{path}: not an ONNX model, or one without operators; export it again")
    if len(model.graph.node) > _MAX_OPERATORS:
        raise UserError(
            f"{path}: {len(model.graph.node)} operators, at most {_MAX_OPERATORS} are read; "
            "unrolled loops must stay out of the network"
        )
    if _load_external(model, path):
        content = model.SerializeToString(deterministic=True)
    return model, content


def _load_external(model: onnx.ModelProto, path: Path) -> bool:
    """Move external data inside; return whether there was any."""
    found, total = False, 0
    folder = path.resolve().parent
    for tensor in model.graph.initializer:
        if not uses_external_data(tensor):
            continue
        found = True
        entry = {item.key: item.value for item in tensor.external_data}
        location = entry.get("location", "")
        target = (folder / location).resolve() if location and "\0" not in location else folder
        if not target.is_relative_to(folder) or target == folder:
            raise UserError(
                f"{path}: tensor {tensor.name!r} lies in {location!r}, outside the model's folder; "
                "keep external data beside the model"
            )
        if not target.is_file():
            raise UserError(
                f"{path}: tensor {tensor.name!r} lies in {location!r}, which is not there; "
                "copy it beside the model"
            )
        _check_extent(tensor, entry, target, path)
        load_external_data_for_tensor(tensor, str(folder))
        total += len(tensor.raw_data)
        if total > _MAX_BYTES:
            raise UserError(
                f"{path}: more than {_MAX_BYTES} bytes of external data; no FPGA cluster known "
                "here holds such a network"
            )
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return found


def _check_extent(
    tensor: onnx.TensorProto, entry: Mapping[str, str], target: Path, path: Path
) -> None:
    try:
        offset = int(entry.get("offset", "0"))
        length = int(entry.get("length", "-1"))
    except ValueError:
        offset, length = -1, -1
    available = target.stat().st_size - offset
    if offset < 0 or available < max(length, 0) or available > _MAX_BYTES:
        raise UserError(
            f"{path}: tensor {tensor.name!r} does not fit in {target.name}; "
            "copy the external data again"
        )


def read(model: onnx.ModelProto, path: Path) -> Network:
    """Return the network of a model.

    Raises:
        UserError: Several inputs or outputs, unknown sizes, cycles, bad tensors, opset too old.
    """
    graph = model.graph
    constants = {tensor.name: _array(tensor, path) for tensor in graph.initializer}
    if graph.sparse_initializer:
        raise UserError(f"{path}: sparse weights are not read; export dense weights")
    name, shape = _only_input(graph, constants, path)
    return Network(
        opset=_opset(model, path),
        ops=_ordered(graph, {name, *constants}, path),
        constants=constants,
        input=name,
        input_shape=shape,
        output=_only_output(graph, path),
        datatypes=_datatypes(graph),
        metadata={item.key: item.value for item in model.metadata_props},
    )


def _array(tensor: onnx.TensorProto, path: Path) -> NDArray[np.generic]:
    try:
        if (
            any(size < 0 for size in tensor.dims)
            or np.prod(tensor.dims, dtype=float) > _MAX_ELEMENTS
        ):
            raise ValueError("bad shape")
        array: NDArray[np.generic] = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"{path}: constant {tensor.name!r} does not hold what its shape "
            f"{list(tensor.dims)} says; export the model again"
        ) from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(
            f"{path}: constant {tensor.name!r} contains values that are not finite; "
            "train or export the network again"
        )
    return array


def _opset(model: onnx.ModelProto, path: Path) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    version = max(versions, default=_OPSETS[0])
    if version < _OPSETS[0]:
        raise UserError(
            f"{path}: standard operators of version {version}, {_OPSETS[0]} or newer is needed; "
            "export with a newer opset"
        )
    return int(version)


def _only_input(
    graph: onnx.GraphProto, constants: Mapping[str, object], path: Path
) -> tuple[str, tuple[int, ...]]:
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(item.name for item in inputs) or "none"
        raise UserError(
            f"{path}: {len(inputs)} inputs ({names}), exactly one can be streamed; "
            "merge them, or make the others constants"
        )
    dims = inputs[0].type.tensor_type.shape.dim
    unknown = [
        dim.dim_param or f"dimension {index}"
        for index, dim in enumerate(dims)
        if index > 0 and dim.dim_value <= 0
    ]
    if unknown:
        raise UserError(
            f"{path}: input {inputs[0].name!r} leaves {', '.join(unknown)} open, only the batch "
            "may be; export with a fixed size"
        )
    if len(dims) < 2:
        raise UserError(
            f"{path}: input {inputs[0].name!r} has {len(dims)} dimensions, batch and channels are "
            "needed; export with a fixed size"
        )
    if prod(max(dim.dim_value, 1) for dim in dims) > _MAX_INPUT:
        raise UserError(
            f"{path}: input {inputs[0].name!r} has more than {_MAX_INPUT} elements; "
            "export with a realistic size"
        )
    return inputs[0].name, (1, *(int(dim.dim_value) for dim in dims[1:]))


def _only_output(graph: onnx.GraphProto, path: Path) -> str:
    if len(graph.output) != 1:
        names = ", ".join(item.name for item in graph.output) or "none"
        raise UserError(
            f"{path}: {len(graph.output)} outputs ({names}), exactly one can be streamed; "
            "keep one and remove what leads to the others"
        )
    return str(graph.output[0].name)


def _datatypes(graph: onnx.GraphProto) -> dict[str, str]:
    return {
        item.tensor_name: entry.value
        for item in graph.quantization_annotation
        for entry in item.quant_parameter_tensor_names
        if entry.key == "finn_datatype"
    }


def _ordered(graph: onnx.GraphProto, ready: set[str], path: Path) -> tuple[Op, ...]:
    """Return the operators, producers first; those the file lists earlier come earlier."""
    waiting = list(enumerate(graph.node))
    ordered: list[Op] = []
    ready = {"", *ready}
    while waiting:
        rest = []
        for index, node in waiting:
            if ready.issuperset(node.input):
                ordered.append(_op(node, index, len(graph.node)))
                ready.update(node.output)
            else:
                rest.append((index, node))
        if len(rest) == len(waiting):
            node = rest[0][1]
            missing = next(name for name in node.input if name not in ready)
            raise UserError(
                f"{path}: operator {node.op_type} {node.name!r} reads tensor {missing!r}, which "
                "nothing produces before it (a cycle or a missing part); export the model again"
            )
        waiting = rest
    return tuple(ordered)


def _op(node: onnx.NodeProto, index: int, count: int) -> Op:
    return Op(
        type=node.op_type,
        domain=node.domain,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={item.name: _attribute(item) for item in node.attribute},
        place=Place(
            op_type=node.op_type,
            name=node.name,
            index=index,
            count=count,
            tensor=next(iter(node.input), ""),
        ),
    )


def _attribute(item: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(item)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value)
    return value
