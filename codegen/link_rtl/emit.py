"""The link adapters as Vitis RTL kernels: sources, one thin top and one kernel.xml per instance.

The SystemVerilog in ``rtl/`` is never changed; an instance is a Verilog module that fixes its
parameters. What the adapters do on the wire is described in docs/link.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import singledispatch
from importlib import resources

from codegen.build_plan import BuildPlan
from codegen.link_rtl.instances import (
    Adapter,
    Distributor,
    Merger,
    Receiver,
    Sender,
    TieOff,
    instances,
)
from codegen.render import render
from elasticdf.artifact.deployment import Deployment
from elasticdf.errors import InternalError
from elasticdf.hardware import linkregisters
from elasticdf.hardware.framing import BEAT_BYTES
from elasticdf.hardware.linkregisters import Register

SOURCE_FOLDER = "rtl"
PACKAGER = "package_kernel.tcl"
LOG_BUFFER_BEATS = 10
"""The receiver's buffer, 1024 beats: 15 BRAM36."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A port of a top module: ``input`` or ``output``, width, name."""

    direction: str
    bits: int
    name: str


def _axi_lite() -> tuple[Signal, ...]:
    to_kernel = (
        *(("awaddr", 12), ("awvalid", 1), ("wdata", 32), ("wstrb", 4), ("wvalid", 1)),
        *(("bready", 1), ("araddr", 12), ("arvalid", 1), ("rready", 1)),
    )
    from_kernel = (
        *(("awready", 1), ("wready", 1), ("bresp", 2), ("bvalid", 1)),
        *(("arready", 1), ("rdata", 32), ("rresp", 2), ("rvalid", 1)),
    )
    return tuple(
        Signal(direction, bits, f"s_axi_control_{name}")
        for direction, signals in (("input", to_kernel), ("output", from_kernel))
        for name, bits in signals
    )


_CLOCK = (Signal("input", 1, "ap_clk"), Signal("input", 1, "ap_rst_n"))
_AXI_LITE = _axi_lite()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An AXI stream port of a kernel.

    Attributes:
        name: Of the interface.
        slave: Whether data comes in.
        bytes: Width of TDATA.
        packets: Whether it has TKEEP and TLAST.
        dest: Whether it has TDEST.
    """

    name: str
    slave: bool
    bytes: int = BEAT_BYTES
    packets: bool = True
    dest: bool = True

    def signals(self) -> tuple[str, ...]:
        """Return the signals of the interface, without its name."""
        packets = ("tkeep", "tlast") if self.packets else ()
        dest = ("tdest",) if self.dest else ()
        return ("tdata", *packets, *dest, "tvalid", "tready")

    def ports(self) -> tuple[Signal, ...]:
        """Return the signals as ports of a top module."""
        bits = {"tdata": 8 * self.bytes, "tkeep": self.bytes, "tdest": 16}
        return tuple(
            Signal(
                "input" if self.slave == (signal != "tready") else "output",
                bits.get(signal, 1),
                f"{self.name}_{signal}",
            )
            for signal in self.signals()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What a top module and its kernel.xml are made from.

    Attributes:
        name: Of the kernel.
        core: Module that does the work.
        summary: One line.
        streams: Ports.
        registers: Readable words; empty without an AXI-Lite port.
        parameters: Name and Verilog literal.
        connections: Port of the core and expression.
    """

    name: str
    core: str
    summary: str
    streams: tuple[Stream, ...]
    registers: tuple[Register, ...] = ()
    parameters: tuple[tuple[str, str | int], ...]
    connections: tuple[tuple[str, str], ...]


def adapters(deployment: Deployment, *, fill_missing: bool = True) -> BuildPlan:
    """Return the adapters of all boards.

    Sources and the packaging script are in ``rtl/``, tops and kernel.xml files in
    ``board<i>/rtl/``. Without links there are no files.

    Args:
        deployment: What runs where.
        fill_missing: Frames wholly lost are replaced by zeros, else left out.
    """
    if not deployment.links:
        return BuildPlan({})
    boards = (
        BuildPlan.merge(
            emit(adapter) for adapter in instances(deployment, board.id, fill_missing=fill_missing)
        ).under(f"board{board.id}/rtl")
        for board in deployment.boards
    )
    return BuildPlan.merge((sources().under(SOURCE_FOLDER), *boards))


def sources() -> BuildPlan:
    """Return the generic SystemVerilog files and the Tcl that packages a kernel."""
    folder = resources.files("codegen.link_rtl") / "rtl"
    return BuildPlan({item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()})


def source_names() -> tuple[str, ...]:
    """Return the names of the SystemVerilog files that every kernel is packaged with."""
    return tuple(name for name in sources().files if name.endswith(".sv"))


def emit(adapter: Adapter) -> BuildPlan:
    """Return ``<name>.v`` and ``<name>.xml`` of an adapter."""
    kernel = describe(adapter)
    top = render(
        "link_rtl",
        "kernel.v",
        module=kernel.name,
        core=kernel.core,
        summary=kernel.summary,
        ports=_ports(kernel),
        registers=kernel.registers,
        parameters=kernel.parameters,
        connections=kernel.connections,
        axi_lite=_AXI_LITE,
    )
    xml = render(
        "link_rtl",
        "kernel.xml",
        module=kernel.name,
        streams=kernel.streams,
        registers=kernel.registers,
        range=linkregisters.RANGE,
    )
    return BuildPlan({f"{kernel.name}.v": top, f"{kernel.name}.xml": xml})


@singledispatch
def describe(adapter: Adapter) -> Kernel:
    """Return the kernel an adapter becomes."""
    raise InternalError(f"{adapter!r} is no link adapter")


@describe.register
def _sender(adapter: Sender) -> Kernel:
    streams = (
        Stream(
            name="s_axis_0", slave=True, bytes=adapter.transfer_bytes, packets=False, dest=False
        ),
        Stream(name="k2n", slave=False),
        Stream(name="n2k", slave=True, dest=False),
    )
    return Kernel(
        name=adapter.name,
        core="edf_tx_core",
        summary=f"frames of {adapter.transfers} x {adapter.transfer_bytes} bytes to socket row "
        f"{adapter.row}, at most {adapter.window_beats} beats without credit",
        streams=streams,
        registers=linkregisters.SENDER,
        parameters=(
            ("BYTES", adapter.transfer_bytes),
            ("TRANSFERS", adapter.transfers),
            ("ROW", adapter.row),
            ("WINDOW_BEATS", adapter.window_beats),
            ("PROBE_CYCLES", adapter.probe_cycles),
            ("RESTART_CYCLES", adapter.restart_cycles),
        ),
        connections=(*_wired(streams, s_axis_0="s_axis"), ("values", "values")),
    )


@describe.register
def _receiver(adapter: Receiver) -> Kernel:
    streams = (
        Stream(name="n2k", slave=True, dest=False),
        Stream(name="k2n", slave=False),
        Stream(
            name="m_axis_0", slave=False, bytes=adapter.transfer_bytes, packets=False, dest=False
        ),
    )
    return Kernel(
        name=adapter.name,
        core="edf_rx_core",
        summary=f"frames of {adapter.transfers} x {adapter.transfer_bytes} bytes from socket row "
        f"{adapter.row}, credit after {adapter.credit_step} beats",
        streams=streams,
        registers=linkregisters.RECEIVER,
        parameters=(
            ("BYTES", adapter.transfer_bytes),
            ("TRANSFERS", adapter.transfers),
            ("ROW", adapter.row),
            ("FILL_MISSING", int(adapter.fill_missing)),
            ("WINDOW_BEATS", adapter.window_beats),
            ("LOG_DEPTH", LOG_BUFFER_BEATS),
            ("CREDIT_STEP", adapter.credit_step),
        ),
        connections=(*_wired(streams, m_axis_0="m_axis"), ("values", "values")),
    )


@describe.register
def _merger(adapter: Merger) -> Kernel:
    inputs = tuple(Stream(name=f"s_axis_{index}", slave=True) for index in range(adapter.inputs))
    output = Stream(name="k2n", slave=False)
    return Kernel(
        name=adapter.name,
        core="edf_mux_core",
        summary=f"packets of {adapter.inputs} adapters in turn",
        streams=(*inputs, output),
        parameters=(("INPUTS", adapter.inputs),),
        connections=(
            *((f"s_{signal}", _joined(inputs, signal)) for signal in inputs[0].signals()),
            *((f"m_{signal}", f"k2n_{signal}") for signal in output.signals()),
        ),
    )


@describe.register
def _distributor(adapter: Distributor) -> Kernel:
    count = len(adapter.rows)
    outputs = tuple(
        Stream(name=f"m_axis_{index}", slave=False, dest=False) for index in range(count)
    )
    rows = ", ".join(f"16'd{row}" for row in reversed(adapter.rows))
    takes = ", ".join(f"2'b{taken:02b}" for taken in reversed(_takes(adapter)))
    return Kernel(
        name=adapter.name,
        core="edf_demux_core",
        summary=f"packets to the adapters of socket rows {', '.join(map(str, adapter.rows))}",
        streams=(Stream(name="n2k", slave=True), *outputs),
        registers=linkregisters.DEMUX,
        parameters=(("OUTPUTS", count), ("ROWS", f"{{{rows}}}"), ("TAKES", f"{{{takes}}}")),
        connections=(
            *(
                (f"s_{signal}", f"n2k_{signal}")
                for signal in Stream(name="n2k", slave=True).signals()
            ),
            *((f"m_{signal}", _joined(outputs, signal)) for signal in outputs[0].signals()),
            ("values", "values"),
        ),
    )


def _takes(adapter: Distributor) -> tuple[int, ...]:
    """Return what each output takes of its row: 1 CREDIT, 2 the rest, 3 all when it is alone."""
    shared = Counter(adapter.rows)
    return tuple(
        3 if shared[row] == 1 else 1 if sends else 2
        for row, sends in zip(adapter.rows, adapter.credits, strict=True)
    )


@describe.register
def _tie_off(adapter: TieOff) -> Kernel:
    name = "k2n" if adapter.drives else "n2k"
    streams = (Stream(name=name, slave=not adapter.drives),)
    return Kernel(
        name=adapter.name,
        core="edf_source_core" if adapter.drives else "edf_sink_core",
        summary="never valid" if adapter.drives else "always ready",
        streams=streams,
        parameters=(("BYTES", BEAT_BYTES),),
        connections=_wired(streams),
    )


def _ports(kernel: Kernel) -> tuple[Signal, ...]:
    axi_lite = _AXI_LITE if kernel.registers else ()
    return (*_CLOCK, *axi_lite, *(port for stream in kernel.streams for port in stream.ports()))


def _wired(streams: tuple[Stream, ...], **renamed: str) -> tuple[tuple[str, str], ...]:
    """Connect each signal of the top to the core's port of that name; renamed maps interfaces."""
    return tuple(
        (f"{renamed.get(stream.name, stream.name)}_{signal}", f"{stream.name}_{signal}")
        for stream in streams
        for signal in stream.signals()
    )


def _joined(streams: tuple[Stream, ...], signal: str) -> str:
    """Return the concatenation of a signal of several interfaces, the first lowest."""
    return "{" + ", ".join(f"{stream.name}_{signal}" for stream in reversed(streams)) + "}"
