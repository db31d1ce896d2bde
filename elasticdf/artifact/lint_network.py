"""Lint rules about the manifest and about the network between boards.

The manifest says what was meant; these rules compare it with what the archive holds and ask whether
both ends of every link agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from elasticdf.artifact import network_registers as registers
from elasticdf.artifact.bitstream import Bitstream, platform_name, platform_version
from elasticdf.artifact.deployment import Deployment, NetworkPort
from elasticdf.artifact.lint_binaries import Facts
from elasticdf.artifact.lint_tar import Note
from elasticdf.artifact.manifest import Manifest
from elasticdf.artifact.tarwalk import TarEntry
from elasticdf.errors import UserError

MAX_SOCKETS = 16
_ORIGINAL_PORT = 1


def manifest_notes(
    manifest: Manifest,
    bitstream: Bitstream | None,
    entries: Sequence[TarEntry],
    facts: Sequence[Facts],
) -> Iterator[Note]:
    """Yield where the manifest and the archive disagree."""
    meant = [record.name for record in manifest.entries]
    found = [entry.name for entry in entries]
    if meant != found:
        yield (
            "manifest-order",
            f"the manifest lists {', '.join(meant)}, the archive holds {', '.join(found)}",
        )
    boards = manifest.deployment.boards
    if [record.board for record in manifest.entries] != [board.id for board in boards]:
        yield "manifest-order", "the manifest's entries are not in the order of its boards"
    contents = {entry.name: entry.content for entry in reversed(entries)}
    for record in manifest.entries:
        content = contents.get(record.name)
        if content is None:
            continue
        if content.size != record.size:
            yield (
                "manifest-size",
                f"{record.name} has {content.size} bytes, the manifest says {record.size}",
            )
        elif content.sha256() != record.sha256:
            yield "manifest-checksum", f"{record.name} has another SHA-256 than the manifest says"
    yield from _fact_notes(manifest, facts)
    yield from _weight_notes(manifest, facts)
    if bitstream is not None:
        yield from _platform_notes(bitstream, manifest.deployment)
    for name, model in (("prologue", manifest.prologue), ("epilogue", manifest.epilogue)):
        try:
            _ = model.onnx if model else b""
        except UserError as error:
            yield "manifest-host-model", f"{name}: {error}"


def _weight_notes(manifest: Manifest, facts: Sequence[Facts]) -> Iterator[Note]:
    units = {one.name: one.units for one in reversed(facts)}
    names = {record.board: record.name for record in manifest.entries}
    for weights in manifest.weights:
        binary = names.get(weights.board)
        if binary is None:
            yield "manifest-weights", f"weights of {weights.unit} are for board {weights.board}"
        elif weights.unit not in units.get(binary, {weights.unit: 0}):
            yield "manifest-weights", f"{binary} has no compute unit {weights.unit}"
        try:
            weights.values()
        except UserError as error:
            yield "manifest-weights", str(error)
    if manifest.weights:
        layers = ", ".join(weights.layer for weights in manifest.weights[:3])
        yield "weights-loader", f"the host has to load the weights of {layers}"


def _fact_notes(manifest: Manifest, facts: Sequence[Facts]) -> Iterator[Note]:
    by_name = {one.name: one for one in reversed(facts)}
    for record in manifest.entries:
        one = by_name.get(record.name)
        if one is None:
            continue
        if one.uuid != record.uuid:
            what = f"{record.name} has the UUID {one.uuid}, the manifest says {record.uuid}"
            yield "manifest-uuid", what
        if len(one.memories) != record.memories:
            yield (
                "manifest-memories",
                f"{record.name} has {len(one.memories)} memories, the manifest says "
                f"{record.memories}",
            )
    deployment = manifest.deployment
    binaries = {board.id: by_name.get(board.binary) for board in deployment.boards}
    wanted = (
        *((kernel.board, kernel.name) for kernel in deployment.kernels if kernel.layers),
        *((stream.board, stream.dma) for stream in deployment.host),
    )
    for board, unit in wanted:
        binary = binaries[board]
        if binary is not None and unit not in binary.units:
            yield "manifest-kernel", f"{binary.name} has no compute unit {unit}"


def _platform_notes(bitstream: Bitstream, deployment: Deployment) -> Iterator[Note]:
    boards = deployment.boards
    pairs = (
        ("name", bitstream.platform.name, platform_name(board.board for board in boards)),
        (
            "version",
            bitstream.platform.version,
            platform_version(board.shell_version for board in boards),
        ),
    )
    for what, found, meant in pairs:
        if found != meant:
            yield (
                "manifest-platform",
                f"platform {what} is {found!r}, the manifest's boards make {meant!r}",
            )


def link_notes(deployment: Deployment, facts: Sequence[Facts]) -> Iterator[Note]:
    """Yield what keeps the boards of a deployment from talking to each other."""
    by_name = {one.name: one for one in reversed(facts)}
    binaries = {board.id: by_name.get(board.binary) for board in deployment.boards}
    used = {(link.source_board, link.source_qsfp): None for link in deployment.links} | {
        (link.target_board, link.target_qsfp): None for link in deployment.links
    }
    ports = {(port.board, port.qsfp): port for port in deployment.ports}
    for board, number in used:
        binary = binaries[board]
        if binary is not None:
            yield from _presence_notes(binary, number)
        if (board, number) not in ports:
            yield (
                "network-missing",
                f"board {board}, port {number}: links use it, nothing sets it up",
            )
    for port in deployment.ports:
        yield from _port_notes(port)
    yield from _row_notes(deployment)
    yield from _address_notes(deployment.ports)
    yield from _symmetry_notes(deployment.ports)


def _presence_notes(binary: Facts, number: int) -> Iterator[Note]:
    mac = registers.mac_kernel(number)
    if mac not in binary.kernels:
        yield "network-missing", f"{binary.name} has no kernel {mac}, links go through that port"
    if registers.NETWORK_LAYER not in binary.kernels:
        what = f"{binary.name} has no kernel {registers.NETWORK_LAYER}, the plan has links"
        yield "network-missing", what
    elif registers.network_unit(number) not in binary.units:
        what = f"{binary.name} has no compute unit {registers.network_unit(number)}"
        yield "network-missing", what


def _port_notes(port: NetworkPort) -> Iterator[Note]:
    where = f"board {port.board}, port {port.qsfp}"
    rows = [socket.row for socket in port.sockets]
    if len(rows) > MAX_SOCKETS or any(not 0 <= row < MAX_SOCKETS for row in rows):
        yield "network-sockets", f"{where} needs {len(rows)} sockets, highest row {max(rows)}"
    if len(set(rows)) != len(rows):
        yield "network-sockets", f"{where} uses a socket row twice"


def _row_notes(deployment: Deployment) -> Iterator[Note]:
    """Yield what is wrong with the rows of streams: a row carries one stream in each direction."""
    ends = [
        end
        for link in deployment.links
        for end in (
            (link.source_board, link.source_qsfp, link.source_row, "leave"),
            (link.target_board, link.target_qsfp, link.target_row, "arrive"),
        )
    ]
    rows = {(port.board, port.qsfp): {s.row for s in port.sockets} for port in deployment.ports}
    for (board, number, row, way), count in Counter(ends).items():
        where = f"board {board}, port {number}, socket {row}"
        if count > 1:
            yield "network-row", f"{where}: {count} streams {way} through it, one can"
        if row not in rows.get((board, number), {row}):
            yield "network-row", f"{where}: a stream uses the row, nothing sets it up"


def _address_notes(ports: Sequence[NetworkPort]) -> Iterator[Note]:
    groups = (
        ("MAC address", [port.mac.lower() for port in ports]),
        ("IP address", [port.ip for port in ports]),
        ("last octet", [port.ip.rpartition(".")[2] for port in ports]),
    )
    for what, values in groups:
        for value, count in Counter(values).items():
            if count > 1:
                yield "network-address", f"{count} ports have the {what} {value}"
                return


def _symmetry_notes(ports: Sequence[NetworkPort]) -> Iterator[Note]:
    by_ip = {port.ip: port for port in ports}
    answers = {
        port.ip: {(s.their_ip, s.their_port, s.my_port) for s in port.sockets if s.valid}
        for port in ports
    }
    for port in ports:
        resolved = {ip for ip, _ in port.arp}
        for socket in port.sockets:
            where = f"board {port.board}, port {port.qsfp}, socket {socket.row}"
            peer = by_ip.get(socket.their_ip)
            if peer is None:
                yield "network-asymmetric", f"{where}: no port has the address {socket.their_ip}"
                continue
            wanted = (port.ip, socket.my_port, socket.their_port)
            if socket.valid and wanted not in answers[peer.ip]:
                yield (
                    "network-asymmetric",
                    f"{where}: board {peer.board} has no socket that answers",
                )
            if peer.rsfec != port.rsfec:
                yield "network-rsfec", f"{where}: RS-FEC is on at one end only"
            if socket.their_ip not in resolved:
                yield (
                    "network-asymmetric",
                    f"{where}: no MAC address is known for {socket.their_ip}",
                )


def original_notes(
    bitstream: Bitstream | None, deployment: Deployment | None, facts: Sequence[Facts]
) -> Iterator[Note]:
    """Yield what the original loader in particular stumbles over."""
    if len(facts) != 2:
        yield "loader-board-count", f"the archive has {len(facts)} binaries"
    if bitstream is not None and "+" in f"{bitstream.platform.name}{bitstream.platform.version}":
        platform = bitstream.platform
        yield "loader-platform", f"the platform is {platform.name} {platform.version}"
    has_network = [_has_original_network(one) for one in facts]
    if deployment is None:
        if len(facts) > 1 and not all(has_network):
            yield "network-unknown", "there is no manifest, and not every binary has a network"
    elif deployment.links:
        yield from _original_link_notes(deployment, facts)
    elif all(has_network) and facts:
        yield "network-unasked", "every binary has cmac_1 and networklayer, the plan has no links"
    for one, present in zip(facts, has_network, strict=True):
        if present:
            yield from _register_notes(one)


def _has_original_network(one: Facts) -> bool:
    return {registers.mac_kernel(_ORIGINAL_PORT), registers.NETWORK_LAYER} <= set(one.kernels)


def _original_link_notes(deployment: Deployment, facts: Sequence[Facts]) -> Iterator[Note]:
    for one in facts:
        if not _has_original_network(one):
            yield "network-port", f"{one.name} has no cmac_1 with networklayer"
    for port in deployment.ports:
        rows = [socket.row for socket in port.sockets if socket.valid]
        if rows != [0]:
            listing = ", ".join(map(str, rows)) or "none"
            yield "network-socket-row", f"board {port.board}, port {port.qsfp} uses rows {listing}"


def _register_notes(one: Facts) -> Iterator[Note]:
    kernel = one.metadata.kernel(registers.NETWORK_LAYER) if one.metadata else None
    if kernel is None:
        return
    for name, offset in registers.ORIGINAL.items():
        argument = kernel.argument(name)
        if argument is not None and argument.offset != offset:
            yield (
                "network-registers",
                f"{one.name}: {name} is at {argument.offset:#x}, the loader uses {offset:#x}",
            )
            return
