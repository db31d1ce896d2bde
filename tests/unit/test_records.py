"""Strict reading of records, and the deployment's JSON form."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from elasticdf.artifact.deployment import (
    DeployedBoard,
    Deployment,
    Direction,
    HostStream,
    Kernel,
    Port,
)
from elasticdf.errors import UserError


def _deployment() -> Deployment:
    port = Port(
        name="s_axis_0", tensor="x", shape=(1, 4), datatype="UINT2", elements=1, bits=2, transfers=4
    )
    kernel = Kernel(
        name="seg_r0_s0",
        replica=0,
        stage=0,
        board=0,
        die="SLR0",
        layers=("MVAU_hls_0",),
        inputs=(port,),
        outputs=(),
    )
    board = DeployedBoard(
        id=0,
        board="u250",
        part="xcu250-figd2104-2L-e",
        vendor="xilinx",
        shell="xilinx_u250",
        shell_version="xdma",
        binary="net_board0.xclbin",
    )
    host = HostStream(
        board=0,
        dma="idma_seg_r0_s0",
        direction=Direction.IN,
        end=("seg_r0_s0", "s_axis_0"),
        memory="DDR[0]",
        step=0,
        bytes_per_frame=4,
    )
    return Deployment(
        network="net",
        mode="dp",
        clock_hz=200_000_000,
        replicas=1,
        boards=(board,),
        kernels=(kernel,),
        local=(),
        links=(),
        host=(host,),
        ports=(),
        plan_digest="0" * 64,
    )


def test_a_deployment_survives_json() -> None:
    assert Deployment.from_json(_deployment().to_json()) == _deployment()


def _set(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("clock_hz",), "200", "d.json, clock_hz is '200', a whole number is needed"),
        (("clock_hz",), True, "d.json, clock_hz is True, a whole number is needed"),
        (("clockhz",), 1, "d.json: key 'clockhz' is not known; did you mean 'clock_hz'?"),
        (("boards",), {}, "d.json, boards is {}, a list is needed"),
        (("boards", 0), 7, "d.json, boards[0] is 7, a table of keys is needed"),
        (
            ("host", 0, "direction"),
            "up",
            "d.json, host[0], direction is 'up', one of in, out is needed",
        ),
        (("host", 0, "end"), ["a"], "d.json, host[0], end has 1 entries, 2 are needed"),
        (
            ("host", 0, "end"),
            ["a", "b"],
            "d.json: stream end a.b belongs to no listed kernel",
        ),
        (
            ("kernels", 0, "board"),
            3,
            "d.json: board 3 is used but not listed under boards",
        ),
        (
            ("boards", 0, "binary"),
            "../x",
            "d.json: binary name '../x' is not 1 to 99 letters, digits, _ or .; rename it",
        ),
        (
            ("schema",),
            "elasticdf.deployment/0",
            "d.json: schema is 'elasticdf.deployment/0', 'elasticdf.deployment/1' is needed; "
            "make the file again with this version",
        ),
    ],
)
def test_a_wrong_document_is_one_sentence(path: tuple[Any, ...], value: Any, message: str) -> None:
    document = _set(_deployment().to_json(), path, value)
    with pytest.raises(UserError) as error:
        Deployment.from_json(document, "d.json")
    assert str(error.value) == message


def test_a_missing_key_is_named() -> None:
    document = _deployment().to_json()
    del document["kernels"]
    with pytest.raises(UserError) as error:
        Deployment.from_json(document, "d.json")
    assert str(error.value) == "d.json: key 'kernels' is missing; add it"


def test_a_kernel_listed_twice_is_refused() -> None:
    document = _deployment().to_json()
    document["kernels"] *= 2
    with pytest.raises(UserError, match=r"^d.json: kernel 'seg_r0_s0' is there twice; remove one$"):
        Deployment.from_json(document, "d.json")
