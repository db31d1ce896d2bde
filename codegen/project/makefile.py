"""The project's Makefile: every file has one rule, so it is safe under ``-j`` and resumes."""

from __future__ import annotations

from typing import Any

from codegen.board_view import BoardView
from codegen.finn.emit import suffix
from codegen.finn.subgraph import replicas_on
from codegen.link_rtl.emit import PACKAGER
from codegen.render import render, word
from codegen.vitis.link import adapter_names, overfull
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.network_registers import NETWORK_LAYER, mac_kernel
from elasticdf.hardware import BuildFlow


def makefile(
    deployment: Deployment, views: tuple[BoardView, ...], *, matching: bool, user_steps: bool
) -> bytes:
    """Return the Makefile.

    Args:
        deployment: What is built.
        views: Its boards.
        matching: Whether FINN's own graph is made first and the plan matched to it.
        user_steps: Whether the user gave FINN build steps.
    """
    return render(
        "project",
        "Makefile",
        deployment=deployment,
        boards=[_board(view) for view in views],
        networked=any(view.ports for view in views),
        vnx=_vnx(views),
        packager=PACKAGER,
        matching=matching,
        user_steps=user_steps,
    )


def folder(view: BoardView) -> str:
    """Return the folder of a board."""
    return f"board{view.deployed.id}"


def _board(view: BoardView) -> dict[str, Any]:
    replicas = replicas_on(view.deployment, view.deployed.id)
    compute = [
        {
            "name": word(kernel.name),
            "graph": f"segment{kernel.replica}.onnx",
            "folding": f"folding{suffix(replicas, kernel.replica)}.json",
        }
        for kernel in view.kernels
    ]
    dmas = [word(stream.dma) for stream in view.host]
    adapters = [word(name) for name in adapter_names(view)]
    mhz = round(view.deployment.clock_hz / 1e6)
    return {
        "id": view.deployed.id,
        "name": view.board.name,
        "shell": view.deployed.shell,
        "part": view.board.part,
        "folder": folder(view),
        "binary": f"{folder(view)}/{word(view.deployed.binary)}",
        "compute": compute,
        "dmas": dmas,
        "adapters": adapters,
        "own_kernels": [*(kernel["name"] for kernel in compute), *dmas, *adapters],
        "refusal": refusal(view),
        "vnx_files": [entry["file"] for entry in _vnx((view,))],
        # Fixed-clock shells get every clock in link.cfg; the others have this one for all.
        "kernel_frequency": "" if view.shell.per_kernel_clocks else f" --kernel_frequency {mhz}",
    }


def refusal(view: BoardView) -> str | None:
    """Return why no real binary can be built, or None; emulation always works."""
    if view.board.flow is BuildFlow.ZYNQ:
        return (
            f"board {view.deployed.id} ({view.board.name}) takes PYNQ overlays, which this "
            "project does not build; make emulate works"
        )
    return overfull(view)


def _vnx(views: tuple[BoardView, ...]) -> list[dict[str, str]]:
    """Return VNx's kernels, each shell's once: file, folder, shell, further arguments."""
    entries: dict[str, dict[str, str]] = {}
    for view in views:
        shell = word(view.deployed.shell)
        wanted = [
            ("Ethernet", mac_kernel(port.qsfp), f" INTERFACE={port.qsfp}") for port in view.ports
        ]
        if view.ports:
            sockets = view.board.port(view.ports[0].qsfp).sockets
            wanted.append(("NetLayers", NETWORK_LAYER, f" MAX_SOCKETS={sockets}"))
        for name, kernel, arguments in wanted:
            file = f"{name}/_x.{shell}/{kernel}.xo"
            entries[file] = {
                "file": file,
                "folder": name,
                "kernel": kernel,
                "shell": shell,
                "arguments": arguments,
            }
    return list(entries.values())
