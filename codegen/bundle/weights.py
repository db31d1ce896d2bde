"""Weights that the host has to load, from the plan to the artifact.

``partition`` writes which compute units have such weights (`emit_weights`), building leaves the
words in ``board<i>/xo/<unit>.dat``, ``package`` carries them into the manifest (`read_weights`).
Emulated binaries hold their weights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from codegen.build_plan import BuildPlan
from codegen.parts import has_control_port
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.manifest import UnitWeights
from elasticdf.documents import json_bytes, read_json
from elasticdf.errors import UserError
from elasticdf.ir import Graph
from elasticdf.records import decode, encode

WEIGHTS_NAME = "weights.json"
WEIGHTS_SCHEMA = "elasticdf.weights/1"
_WORD = re.compile(r"[0-9a-fA-F]{1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedUnit:
    """A compute unit whose weights the host loads.

    Attributes:
        board: Board id.
        unit: Its name.
        layer: Whose weights they are.
    """

    board: int
    unit: str
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    schema: str
    units: tuple[LoadedUnit, ...]


def emit_weights(built: Deployment, graphs: Mapping[int, Graph]) -> BuildPlan:
    """Return the index of compute units with weights to load; no file if there are none.

    Args:
        built: The deployment with kernels in the parts that are built.
        graphs: The network, folded, by replica.
    """
    units = tuple(_loaded(built, graphs))
    if not units:
        return BuildPlan({})
    document = encode(_Index(schema=WEIGHTS_SCHEMA, units=units))
    return BuildPlan({WEIGHTS_NAME: json_bytes(document)})


def _loaded(built: Deployment, graphs: Mapping[int, Graph]) -> Iterator[LoadedUnit]:
    for kernel in built.kernels:
        for layer in kernel.layers:
            if has_control_port(graphs[kernel.replica].layer(layer)):
                yield LoadedUnit(board=kernel.board, unit=kernel.name, layer=layer)


def read_weights(project: Path, boards: Collection[int]) -> tuple[UnitWeights, ...]:
    """Return the weights that were built for some boards of a project.

    Raises:
        UserError: The index or the words of a compute unit are missing or damaged.
    """
    path = project / WEIGHTS_NAME
    if not path.exists():
        return ()
    document = read_json(path, advice="partition the network again")
    index = decode(_Index, document, str(path))
    if index.schema != WEIGHTS_SCHEMA:
        raise UserError(
            f"{path}: schema is {index.schema!r}, {WEIGHTS_SCHEMA!r} is needed; "
            "partition the network again"
        )
    return tuple(
        UnitWeights.of(entry.board, entry.unit, entry.layer, _words(project, entry))
        for entry in index.units
        if entry.board in boards
    )


def _words(project: Path, entry: LoadedUnit) -> list[int]:
    path = project / f"board{entry.board}" / "xo" / f"{entry.unit}.dat"
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): board {entry.board} needs the weights of layer "
            f"{entry.layer} in it; build the kernel again: make -B -C {project} "
            f"board{entry.board}/xo/{entry.unit}.xo"
        ) from error
    wrong = next((line for line in lines if _WORD.fullmatch(line) is None), None)
    if wrong is not None or not lines:
        found = "nothing" if wrong is None else repr(wrong[:20])
        raise UserError(
            f"{path} holds {found}, a word of up to 8 hexadecimal digits per line is needed; "
            f"build the kernel again: make -B -C {project} board{entry.board}/xo/{entry.unit}.xo"
        )
    return [int(line, 16) for line in lines]
