"""link.cfg: which kernels v++ links, where they sit, what they are connected to.

All streams come from the deployment, so the boards of a cluster agree by construction. Where public
sources only suggest how v++ behaves, the file says so and the option is in `LinkOptions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.board_view import BoardView
from codegen.link_rtl.instances import instances, wires
from codegen.render import render
from elasticdf.artifact.deployment import Direction
from elasticdf.artifact.network_registers import NETWORK_LAYER, mac_kernel, network_unit
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
        properties: Further properties of the implementation run, ``NAME=VALUE``.
    """

    separator: str = "."
    network_clock_hz: int = NETWORK_CLOCK_HZ
    strategy: str = "Performance_NetDelay_low"
    properties: tuple[str, ...] = ()


NETWORK_FIFO_WORDS = 512
"""Depth of the streams to and from the network layer, as ACCL uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    """One ``nk`` line: the kernel, its compute units, and the die they are pinned to."""

    kernel: str
    units: tuple[str, ...]
    die: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """One ``stream_connect`` line; the depth is of the FIFO between, in words."""

    source: str
    target: str
    depth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """One ``freqHz`` line."""

    hertz: int
    pin: str


def link_config(view: BoardView, options: LinkOptions) -> bytes:
    """Return the content of link.cfg.

    Raises:
        UserError: The board's network ports are on several dies.
    """
    kernels = tuple(_kernels(view))
    return render(
        "vitis",
        "link.cfg",
        view=view,
        kernels=kernels,
        overfull=overfull(view),
        memories=tuple(_memories(view)),
        streams=tuple(_streams(view)),
        clocks=_clocks(view, kernels, options),
        remaining_rate=_remaining_rate(view, options),
        options=options,
        vnx=VNX_FOLDER,
    )


def overfull(view: BoardView) -> str | None:
    """Return why v++ would refuse the binary, or None: it holds a limited number of units."""
    units, limit = kernel_units(view), view.board.max_compute_units
    if units <= limit:
        return None
    return (
        f"board {view.deployed.id} needs {units} compute units, a binary holds {limit}; "
        "use fewer replicas, more boards or --no-variants"
    )


def kernel_units(view: BoardView) -> int:
    """Return how many compute units a board's binary holds, network and data movers included."""
    return sum(len(kernel.units) for kernel in _kernels(view))


def network_clock_hz(view: BoardView, options: LinkOptions) -> int:
    """Return the clock the network layer gets: its own where the shell can, else the kernels'."""
    if view.shell.per_kernel_clocks:
        return options.network_clock_hz
    return view.deployment.clock_hz


def _kernels(view: BoardView) -> Iterator[_Kernel]:
    for stream in view.host:
        die = view.board.bank(stream.memory).dies[0]
        yield _Kernel(kernel=stream.dma, units=(stream.dma,), die=die)
    for kernel in view.kernels:
        yield _Kernel(kernel=kernel.name, units=(kernel.name,), die=kernel.die)
    if not view.ports:
        return
    die = _network_die(view)
    for name in (*adapter_names(view), *(mac_kernel(port.qsfp) for port in view.ports)):
        yield _Kernel(kernel=name, units=(name,), die=die)
    units = tuple(network_unit(port.qsfp) for port in view.ports)
    yield _Kernel(kernel=NETWORK_LAYER, units=units, die=die)


def _network_die(view: BoardView) -> str:
    dies = {port.die for port in view.ports}
    if len(dies) > 1:
        raise UserError(
            f"board {view.deployed.id} ({view.board.name}) has network ports on several dies "
            f"({', '.join(sorted(dies))}); use the ports of one die in the cluster file"
        )
    return view.ports[0].die


def adapter_names(view: BoardView) -> tuple[str, ...]:
    """Return the link adapters of a board; they all sit at the network ports' die."""
    return tuple(a.name for a in instances(view.deployment, view.deployed.id))


def _memories(view: BoardView) -> Iterator[tuple[str, str]]:
    for stream in view.host:
        yield f"{stream.dma}.m_axi_gmem0", stream.memory


def _streams(view: BoardView) -> Iterator[_Stream]:
    for host in view.host:
        end = ".".join(host.end)
        if host.direction is Direction.IN:
            yield _Stream(source=f"{host.dma}.m_axis_0", target=end)
        else:
            yield _Stream(source=end, target=f"{host.dma}.s_axis_0")
    for local in view.local:
        source, target = ".".join(local.source), ".".join(local.target)
        yield _Stream(source=source, target=target, depth=local.depth)
    units = {network_unit(port.qsfp) for port in view.ports}
    for wire in wires(view.deployment, view.deployed.id):
        at_network = {end.partition(".")[0] for end in (wire.source, wire.target)} & units
        depth = NETWORK_FIFO_WORDS if at_network else None
        yield _Stream(source=wire.source, target=wire.target, depth=depth)
    for port in view.ports:
        mac, unit = mac_kernel(port.qsfp), network_unit(port.qsfp)
        yield _Stream(source=f"{mac}.M_AXIS", target=f"{unit}.S_AXIS_eth2nl")
        yield _Stream(source=f"{unit}.M_AXIS_nl2eth", target=f"{mac}.S_AXIS")


def _clocks(view: BoardView, kernels: tuple[_Kernel, ...], options: LinkOptions) -> list[_Clock]:
    """Return the clock pins; MAC, network layer and adapters run at the network's clock.

    So the clock converters sit on the narrow compute streams, not on the packets.
    """
    if not view.shell.per_kernel_clocks:
        return []
    slow = {*(kernel.name for kernel in view.kernels), *(stream.dma for stream in view.host)}
    return [
        _Clock(
            hertz=view.deployment.clock_hz if unit in slow else options.network_clock_hz,
            pin=f"{unit}.ap_clk",
        )
        for kernel in kernels
        for unit in kernel.units
    ]


def _remaining_rate(view: BoardView, options: LinkOptions) -> str | None:
    """Return the wire rate the network layer can fill, if its clock is too slow for the cable's."""
    clock = network_clock_hz(view, options)
    if not view.ports or clock >= FULL_RATE_CLOCK_HZ:
        return None
    rate = view.board.port(view.ports[0].qsfp).rate_bits_per_second
    return format_si(usable_wire_rate(rate, clock), "b/s")
