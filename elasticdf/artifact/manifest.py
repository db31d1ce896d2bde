"""manifest.json, the last entry of an artifact: everything the orchestrator's file cannot say.

Loaders walk the binaries and stop, so they never see it; our runtime takes boards, streams, network
set-up and host computation from here. Refuses unknown keys and unknown schemas.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from elasticdf.artifact.deployment import Deployment
from elasticdf.documents import json_bytes, parse_json, shown
from elasticdf.errors import UserError
from elasticdf.records import decode, encode, expect_table

MANIFEST_NAME = "manifest.json"
MANIFEST_SCHEMA = "elasticdf.artifact/1"
MAX_MANIFEST_BYTES = 256 << 20
WORD_BYTES = 4


class Loader(StrEnum):
    """Which runtime an artifact is made for.

    ``original``: two boards, its own fixed addresses. ``elasticdf``: N boards, set up from here.
    """

    ORIGINAL = "original"
    ELASTICDF = "elasticdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRecord:
    """A binary of the archive.

    Attributes:
        name: Of the tar entry.
        board: Board id it is for.
        size: Bytes.
        sha256: Of its content, hexadecimal.
        uuid: Of the binary, hexadecimal.
        memories: Rows of its memory topology; the next board's memory indices start after them.
    """

    name: str
    board: int
    size: int
    sha256: str
    uuid: str
    memories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostComputation:
    """What the host computes before or after the accelerator.

    Attributes:
        model: Standard ONNX, base64.
        input: Name of the model's input.
        output: Name of the model's output.
    """

    model: str
    input: str
    output: str

    @staticmethod
    def of(model: bytes, input_name: str, output_name: str) -> HostComputation:
        """Wrap an ONNX model."""
        text = base64.b64encode(model).decode("ascii")
        return HostComputation(model=text, input=input_name, output=output_name)

    @property
    def onnx(self) -> bytes:
        """The model's bytes.

        Raises:
            UserError: The text is not base64.
        """
        try:
            return base64.b64decode(self.model, validate=True)
        except binascii.Error as error:
            raise UserError(
                f"{MANIFEST_NAME}: a host model is not base64 ({error}); package it again"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitWeights:
    """Weights that memory on the board cannot hold from the start and the host has to load.

    Attributes:
        board: Board id.
        unit: Compute unit whose control port they go through, word by word from offset 0 on.
        layer: Whose weights they are.
        sha256: Of the words, little-endian, hexadecimal.
        words: 32-bit words, little-endian, base64.
    """

    board: int
    unit: str
    layer: str
    sha256: str
    words: str

    @staticmethod
    def of(board: int, unit: str, layer: str, values: Iterable[int]) -> UnitWeights:
        """Wrap words."""
        content = np.fromiter(values, "<u4").tobytes()
        return UnitWeights(
            board=board,
            unit=unit,
            layer=layer,
            sha256=hashlib.sha256(content).hexdigest(),
            words=base64.b64encode(content).decode("ascii"),
        )

    def values(self) -> NDArray[np.uint32]:
        """Return the words.

        Raises:
            UserError: They are damaged.
        """
        try:
            content = base64.b64decode(self.words, validate=True)
        except binascii.Error:
            content = b""
        if len(content) % WORD_BYTES or hashlib.sha256(content).hexdigest() != self.sha256:
            raise UserError(
                f"{MANIFEST_NAME}: the weights of {self.unit} are damaged; package the artifact "
                "again"
            )
        return np.frombuffer(content, "<u4").astype(np.uint32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest.

    Attributes:
        loader: Which runtime this artifact is made for.
        versions: (what, version) of the tools that made it.
        plan_digest: SHA-256 of the plan, hexadecimal, as the deployment has it.
        network_sha256: Of the whole network's file, if the project has it.
        entries: The binaries, in board order.
        deployment: What runs where and every connection.
        prologue: From the network's input to the accelerator's, or None.
        epilogue: From the accelerator's output to the network's, or None.
        weights: What the host loads before the first frame; emulated boards need none.
    """

    loader: Loader
    versions: tuple[tuple[str, str], ...]
    plan_digest: str
    network_sha256: str | None
    entries: tuple[EntryRecord, ...]
    deployment: Deployment
    prologue: HostComputation | None
    epilogue: HostComputation | None
    weights: tuple[UnitWeights, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        document = {
            "schema": MANIFEST_SCHEMA,
            **encode(self),
            "deployment": self.deployment.to_json(),
        }
        return json_bytes(document)

    @staticmethod
    def parse(content: bytes, where: str = MANIFEST_NAME) -> Manifest:
        """Read the file.

        Raises:
            UserError: It is not JSON, has another schema, or does not say what it must.
        """
        parsed = parse_json(content, where, advice="package the artifact again")
        document = expect_table(parsed, where)
        table = dict(document)
        if table.pop("schema", None) != MANIFEST_SCHEMA:
            raise UserError(
                f"{where}: schema is {shown(document.get('schema'))}, {MANIFEST_SCHEMA!r} is "
                "needed; package the artifact again with this version"
            )
        deployment = Deployment.from_json(table.get("deployment"), f"{where}, deployment")
        plain = {key: value for key, value in deployment.to_json().items() if key != "schema"}
        return decode(Manifest, {**table, "deployment": plain}, where)
