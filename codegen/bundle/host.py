"""What the host computes beside the accelerator, as files of the project.

``partition`` writes them (`emit_host`), ``package`` carries them into the artifact (`read_host`).
A network whose input and output are the accelerator's own has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codegen.build_plan import BuildPlan
from elasticdf.artifact.manifest import HostComputation
from elasticdf.documents import json_bytes, read_json
from elasticdf.errors import UserError
from elasticdf.ir import Graph, HostModel
from elasticdf.records import decode, encode

INDEX_NAME = "host/host.json"
HOST_SCHEMA = "elasticdf.host/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    model: str
    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    schema: str
    prologue: _Ends | None
    epilogue: _Ends | None


def emit_host(graph: Graph) -> BuildPlan:
    """Return the files: the models and an index that names their ends."""
    models = {"prologue": graph.prologue, "epilogue": graph.epilogue}
    index = _Index(
        schema=HOST_SCHEMA,
        prologue=_ends("prologue", graph.prologue),
        epilogue=_ends("epilogue", graph.epilogue),
    )
    files = {
        f"host/{name}.onnx": model.model for name, model in models.items() if model is not None
    }
    return BuildPlan({INDEX_NAME: json_bytes(encode(index)), **files})


def read_host(project: Path) -> tuple[HostComputation | None, HostComputation | None]:
    """Return prologue and epilogue of a project.

    Raises:
        UserError: The index or a model it names cannot be read.
    """
    path = project / INDEX_NAME
    if not path.exists():
        return None, None
    document = read_json(path, advice="partition the network again")
    index = decode(_Index, document, str(path))
    if index.schema != HOST_SCHEMA:
        raise UserError(
            f"{path}: schema is {index.schema!r}, {HOST_SCHEMA!r} is needed; "
            "partition the network again"
        )
    return _read(project, "prologue", index.prologue), _read(project, "epilogue", index.epilogue)


def _ends(name: str, model: HostModel | None) -> _Ends | None:
    if model is None:
        return None
    return _Ends(model=f"{name}.onnx", input=model.input, output=model.output)


def _read(project: Path, name: str, ends: _Ends | None) -> HostComputation | None:
    if ends is None:
        return None
    path = project / "host" / f"{name}.onnx"
    try:
        return HostComputation.of(path.read_bytes(), ends.input, ends.output)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
