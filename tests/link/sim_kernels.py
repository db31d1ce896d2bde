"""What cocotb does with the kernels as emitted: speaks the packets of the Python codec to them."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from elasticdf.hardware import linkpacket, linkregisters
from elasticdf.hardware.linkpacket import Header, PacketKind
from elasticdf.hardware.linkregisters import Register

TRANSFER_BYTES = 24
TRANSFERS = 130  # 3120 bytes: three packets, the last one short
WINDOW_BEATS = 96


def frames(count: int) -> list[bytes]:
    dice = random.Random(5)
    return [
        bytes(dice.randrange(1, 256) for _ in range(TRANSFER_BYTES * TRANSFERS))
        for _ in range(count)
    ]


async def start(dut: Any) -> None:
    for name in ("araddr", "arvalid", "rready", "awaddr", "awvalid", "wdata", "wstrb", "wvalid"):
        getattr(dut, f"s_axi_control_{name}").value = 0
    dut.s_axi_control_bready.value = 1
    dut.n2k_tvalid.value = 0
    dut.n2k_tkeep.value = (1 << 64) - 1
    dut.k2n_tready.value = 1
    dut.ap_rst_n.value = 0
    Clock(dut.ap_clk, 10, unit="ns", impl="gpi").start()
    await ClockCycles(dut.ap_clk, 10)
    dut.ap_rst_n.value = 1
    await ClockCycles(dut.ap_clk, 5)


async def read_registers(dut: Any, registers: tuple[Register, ...]) -> dict[str, int]:
    """Read every register over AXI-Lite."""
    found = {}
    for register in registers:
        dut.s_axi_control_araddr.value = register.offset
        dut.s_axi_control_arvalid.value = 1
        dut.s_axi_control_rready.value = 1
        await RisingEdge(dut.ap_clk)
        dut.s_axi_control_arvalid.value = 0
        while True:
            await ReadOnly()
            if int(dut.s_axi_control_rvalid.value):
                found[register.name] = int(dut.s_axi_control_rdata.value)
                break
            await RisingEdge(dut.ap_clk)
        await RisingEdge(dut.ap_clk)
        dut.s_axi_control_rready.value = 0
    return found


async def send(dut: Any, packet: bytes) -> None:
    """Drive a packet into n2k; the adapters never stall it."""
    for at in range(0, len(packet), 64):
        dut.n2k_tdata.value = int.from_bytes(packet[at : at + 64], "little")
        dut.n2k_tlast.value = int(at + 64 >= len(packet))
        dut.n2k_tvalid.value = 1
        await RisingEdge(dut.ap_clk)
    dut.n2k_tvalid.value = 0


async def packets_out(dut: Any, found: list[bytes]) -> None:
    """Collect what leaves through k2n."""
    beats = b""
    while True:
        await RisingEdge(dut.ap_clk)
        if dut.k2n_tvalid.value == 1 and dut.k2n_tready.value == 1:
            assert int(dut.k2n_tkeep.value) == (1 << 64) - 1
            assert int(dut.k2n_tdest.value) == 5
            beats += int(dut.k2n_tdata.value).to_bytes(64, "little")
            if int(dut.k2n_tlast.value):
                found.append(beats)
                beats = b""


async def transfers_out(dut: Any, found: bytearray) -> None:
    dut.m_axis_0_tready.value = 1
    while True:
        await RisingEdge(dut.ap_clk)
        if dut.m_axis_0_tvalid.value == 1:
            found += int(dut.m_axis_0_tdata.value).to_bytes(TRANSFER_BYTES, "little")


def headers(packets: list[bytes], kind: PacketKind) -> list[Header]:
    unpacked = [linkpacket.unpack(packet) for packet in packets]
    return [pair[0] for pair in unpacked if pair is not None and pair[0].kind is kind]


@cocotb.test()
async def test_sender(dut: Any) -> None:
    """Its packets are the codec's, byte for byte, and it waits for credit."""
    dut.s_axis_0_tvalid.value = 0
    await start(dut)
    out: list[bytes] = []
    cocotb.start_soon(packets_out(dut, out))
    while not headers(out, PacketKind.SYNC):
        await RisingEdge(dut.ap_clk)
    assert headers(out, PacketKind.SYNC)[0] == Header(
        kind=PacketKind.SYNC, frame=0, position=0, first=True
    )

    sent = frames(2)
    expected: list[bytes] = []
    position = 0
    for number, frame in enumerate(sent):
        packets = linkpacket.frame_packets(frame, frame=number, position=position)
        position += sum(len(packet) // 64 for packet in packets)
        expected += packets
    assert position > WINDOW_BEATS

    await send(dut, linkpacket.pack(Header(kind=PacketKind.CREDIT, frame=0, position=0)))
    await ClockCycles(dut.ap_clk, 10)
    registers = await read_registers(dut, linkregisters.SENDER)
    assert registers["status"] == 0, "credit that does not answer the greeting is refused"
    assert registers["credits_bad"] == 1
    fresh = Header(kind=PacketKind.CREDIT, frame=0, position=0, fresh=True)
    await send(dut, linkpacket.pack(fresh))

    content = b"".join(sent)
    for at in range(0, len(content), TRANSFER_BYTES):
        dut.s_axis_0_tdata.value = int.from_bytes(content[at : at + TRANSFER_BYTES], "little")
        dut.s_axis_0_tvalid.value = 1
        await RisingEdge(dut.ap_clk)
        while dut.s_axis_0_tready.value == 0:
            await RisingEdge(dut.ap_clk)
    dut.s_axis_0_tvalid.value = 0
    await ClockCycles(dut.ap_clk, 100)

    data = [packet for packet in out if packet[0] & 0xF == PacketKind.DATA]
    assert data == expected[: len(data)]
    assert 0 < len(data) < len(expected)
    registers = await read_registers(dut, linkregisters.SENDER)
    on_the_way = sum(len(packet) // 64 for packet in data)
    assert registers["status"] == on_the_way | 1 << 16 | 1 << 17
    assert registers["starved_cycles"] > 0

    probes = len(headers(out, PacketKind.PROBE))
    await ClockCycles(dut.ap_clk, 700)
    assert len(headers(out, PacketKind.PROBE)) > probes, "it asks when credit stays away"
    credit = Header(kind=PacketKind.CREDIT, frame=0, position=on_the_way)
    await send(dut, linkpacket.pack(credit))
    await ClockCycles(dut.ap_clk, 200)
    assert [packet for packet in out if packet[0] & 0xF == PacketKind.DATA] == expected
    registers = await read_registers(dut, linkregisters.SENDER)
    assert registers["identity"] == linkregisters.SENDER_IDENTITY
    assert registers["row"] == 5
    assert registers["window"] == WINDOW_BEATS
    assert registers["frames_sent"] == 2
    assert registers["packets_sent"] == len(expected)
    assert registers["credits_taken"] == 2
    assert registers["questions_sent"] == len(out) - len(expected)


@cocotb.test()
async def test_receiver(dut: Any) -> None:
    """It understands the codec's packets, counts what is wrong, delivers whole frames."""
    await start(dut)
    out: list[bytes] = []
    stream = bytearray()
    cocotb.start_soon(packets_out(dut, out))
    cocotb.start_soon(transfers_out(dut, stream))
    sync = Header(kind=PacketKind.SYNC, frame=0, position=0, first=True)
    await send(dut, linkpacket.pack(sync))
    await ClockCycles(dut.ap_clk, 20)
    assert headers(out, PacketKind.CREDIT) == [
        Header(kind=PacketKind.CREDIT, frame=0, position=0, fresh=True)
    ]

    sent = frames(6)
    position = 0
    cut = []
    for number, frame in enumerate(sent):
        cut.append(linkpacket.frame_packets(frame, frame=number, position=position))
        position += sum(len(packet) // 64 for packet in cut[-1])
    for packet in cut[0]:
        await send(dut, packet)
    await send(dut, cut[1][0])  # the second packet of frame 1 is lost
    await send(dut, cut[1][2])
    damaged = bytearray(cut[2][0])
    damaged[3] ^= 0x10  # frame 2 begins with a wrong header
    await send(dut, bytes(damaged))
    await send(dut, cut[2][1])
    await send(dut, cut[2][2])
    await ClockCycles(dut.ap_clk, 600)
    for packet in (cut[3][0], cut[3][0], cut[3][1], cut[3][2]):  # repeated
        await send(dut, packet)
    await ClockCycles(dut.ap_clk, 400)
    for packet in cut[4]:  # lost altogether: only a probe tells
        assert packet
    probe = Header(kind=PacketKind.PROBE, frame=5, position=_after(cut[:5]), first=True)
    await send(dut, linkpacket.pack(probe))
    await ClockCycles(dut.ap_clk, 400)
    for packet in cut[5]:
        await send(dut, packet)
    await ClockCycles(dut.ap_clk, 1200)

    size = TRANSFER_BYTES * TRANSFERS
    assert [bytes(stream[at : at + size]) for at in range(0, len(stream), size)] == [
        sent[0],
        sent[1][:1400] + bytes(size - 1400),
        bytes(size),
        sent[3],
        bytes(size),
        sent[5],
    ]
    credit = headers(out, PacketKind.CREDIT)[-1]
    assert (credit.position, credit.fresh) == (_after(cut), False)
    registers = await read_registers(dut, linkregisters.RECEIVER)
    assert registers == {
        "identity": linkregisters.RECEIVER_IDENTITY,
        "row": 5,
        "status": 1 << 16,
        "frames_whole": 3,
        "frames_broken": 1,
        "frames_missing": 2,
        "packets_taken": 13,
        "packets_bad": 1,
        "packets_repeated": 1,
        "gaps": 3,
        "beats_lost": 22 + 22 + sum(len(packet) // 64 for packet in cut[4]),
        "realigned": 0,
        "greetings": 1,
        "credits_sent": len(out),
        "window": WINDOW_BEATS,
    }


def _after(cut: list[tuple[bytes, ...]]) -> int:
    return sum(len(packet) // 64 for packets in cut for packet in packets)
