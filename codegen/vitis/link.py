"""link.cfg: which kernels v++ links, where they sit, what they are connected to.

All streams come from the deployment, so the boards of a cluster agree by construction. Where public
sources only suggest how v++ behaves, the file says so and the option is in `LinkOptions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.board_view import BoardView
from codegen.render import render
from codegen.vitis.adapters import adapters, demultiplexer, multiplexer, streams
from elasticdf.artifact.deployment import Direction, StreamEnd
from elasticdf.errors import UserError
from elasticdf.hardware.framing import FULL_RATE_CLOCK_HZ, usable_wire_rate
from elasticdf.units import format_si

NETWORK_CLOCK_HZ = 300_000_000
"""What VNx is built and measured at; it needs 212 MHz for the full rate."""

VNX_FOLDER = "@VNX@"
"""Stands for the folder of the VNx sources; the Makefile puts the absolute path in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How v++ is used.

    Attributes:
        separator: Between the compute units of one kernel in ``nk``: ``.`` to 2022.1, ``,`` later.
        network_clock_hz: Of the network layer, on shells that clock kernels one by one.
        strategy: Vivado's implementation strategy.
    """

    separator: str = "."
    network_clock_hz: int = NETWORK_CLOCK_HZ
    strategy: str = "Performance_NetDelay_low"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    """One ``nk`` line: the kernel, its compute units, and the die they are pinned to."""

    kernel: str
    units: tuple[str, ...]
    die: str | None


def link_config(view: BoardView, options: LinkOptions) -> bytes:
    """Return the content of link.cfg.

    Raises:
        UserError: More compute units than a binary holds.
    """
    kernels = tuple(_kernels(view))
    units = [unit for kernel in kernels for unit in kernel.units]
    limit = view.board.max_compute_units
    if len(units) > limit:
        raise UserError(
            f"board {view.deployed.id} ({view.board.name}) needs {len(units)} compute units, a "
            f"binary holds {limit}; use fewer replicas or more boards"
        )
    return render(
        "vitis",
        "link.cfg",
        view=view,
        kernels=kernels,
        memories=tuple(_memories(view)),
        streams=(*_compute_streams(view), *streams(view)),
        clocks=_clocks(view, units, options),
        remaining_rate=_remaining_rate(view, options),
        options=options,
        vnx=VNX_FOLDER,
    )


def network_clock_hz(view: BoardView, options: LinkOptions) -> int:
    """Return the clock the network layer gets: its own where the shell can, else the kernels'."""
    if view.board.shell.per_kernel_clocks:
        return options.network_clock_hz
    return view.deployment.clock_hz


def _kernels(view: BoardView) -> Iterator[_Kernel]:
    for stream in view.host:
        die = view.board.bank(stream.memory).dies[0]
        yield _Kernel(kernel=stream.dma, units=(stream.dma,), die=die)
    for kernel in view.kernels:
        yield _Kernel(kernel=kernel.name, units=(kernel.name,), die=kernel.die)
    for port in view.ports:
        for name in (f"cmac_{port.qsfp}", multiplexer(port), demultiplexer(port)):
            yield _Kernel(kernel=name, units=(name,), die=port.die)
    for adapter in adapters(view):
        yield _Kernel(kernel=adapter.name, units=(adapter.name,), die=adapter.port.die)
    if view.ports:
        units = tuple(f"networklayer_{port.qsfp}" for port in view.ports)
        yield _Kernel(kernel="networklayer", units=units, die=view.ports[0].die)


def _memories(view: BoardView) -> Iterator[tuple[str, str]]:
    for stream in view.host:
        yield f"{stream.dma}.m_axi_gmem0", stream.memory


def _compute_streams(view: BoardView) -> Iterator[tuple[str, str, int | None]]:
    """Yield the streams between compute kernels, DMAs and adapters; relays join two adapters."""
    makers: dict[StreamEnd, str] = {}
    takers: dict[StreamEnd, str] = {}
    for adapter in adapters(view):
        end = adapter.link.source if adapter.sends else adapter.link.target
        (takers if adapter.sends else makers)[end] = f"{adapter.name}.{adapter.stream_port}"
    for stream in view.host:
        arriving = stream.direction is Direction.IN
        side = "m_axis_0" if arriving else "s_axis_0"
        (makers if arriving else takers)[stream.end] = f"{stream.dma}.{side}"
    for local in view.local:
        yield ".".join(local.source), ".".join(local.target), local.depth
    for kernel in view.kernels:
        for end in ((kernel.name, port.name) for port in kernel.inputs):
            if end in makers:
                yield makers[end], ".".join(end), None
        for end in ((kernel.name, port.name) for port in kernel.outputs):
            if end in takers:
                yield ".".join(end), takers[end], None
    for relay in view.relays:
        yield makers[relay.name, "s_axis_0"], takers[relay.name, "m_axis_0"], None


def _clocks(view: BoardView, units: list[str], options: LinkOptions) -> tuple[tuple[int, str], ...]:
    if not view.board.shell.per_kernel_clocks:
        return ()
    networked = {
        name for port in view.ports for name in (f"cmac_{port.qsfp}", f"networklayer_{port.qsfp}")
    }
    return tuple(
        (
            options.network_clock_hz if unit in networked else view.deployment.clock_hz,
            f"{unit}.ap_clk",
        )
        for unit in units
    )


def _remaining_rate(view: BoardView, options: LinkOptions) -> str | None:
    """Return the wire rate the network layer can fill, if its clock is too slow for the cable's."""
    clock = network_clock_hz(view, options)
    if not view.ports or clock >= FULL_RATE_CLOCK_HZ:
        return None
    rate = view.board.port(view.ports[0].qsfp).rate_bits_per_second
    return format_si(usable_wire_rate(rate, clock), "b/s")
