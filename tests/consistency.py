"""Do the boards of an emitted project agree with each other? Read from the files, as tools would.

Knows the formats only: socket tables must mirror each other, adapters use rows that are there, a
stream's two ends have one form, rows of a cable's ends lead to each other.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PARAMETER = re.compile(r"\.([A-Z_]+)\((\d+)\)")
_SAME = ("BYTES", "TRANSFERS", "WINDOW_BEATS")


def disagreements(project: Path) -> list[str]:
    """Return everything in which two boards of a project contradict each other."""
    boards = sorted(project.glob("board*/network.json"))
    documents = {path.parent.name: json.loads(path.read_text()) for path in boards}
    ports = [port for document in documents.values() for port in document["ports"]]
    found = [f"{n} boards call themselves {b}" for b, n in _counts(documents).items() if n > 1]
    for key in ("ip", "mac"):
        shared = Counter(port[key] for port in ports)
        found += [f"{value} is the {key} of {n} ports" for value, n in shared.items() if n > 1]
    octets = Counter(port["ip"].rpartition(".")[2] for port in ports)
    found += [f"last octet {value} is used {n} times" for value, n in octets.items() if n > 1]
    by_ip = {port["ip"]: port for port in ports}
    for port in ports:
        found += _socket_faults(port, by_ip)
    found += _adapter_faults(project, documents)
    return found


def _counts(documents: dict[str, Any]) -> Counter[int]:
    return Counter(document["board"] for document in documents.values())


def _socket_faults(port: dict[str, Any], by_ip: dict[str, dict[str, Any]]) -> Iterator[str]:
    here = f"board {port['board']} port {port['qsfp']}"
    known = {entry["ip"]: entry["mac"] for entry in port["arp"]}
    rows = Counter(socket["row"] for socket in port["sockets"])
    yield from (f"{here} has row {row} {n} times" for row, n in rows.items() if n > 1)
    for socket in port["sockets"]:
        if not socket["valid"]:
            continue
        peer = by_ip.get(socket["their_ip"])
        if peer is None:
            yield f"{here} row {socket['row']} talks to {socket['their_ip']}, which nobody is"
            continue
        mirrored = [
            other
            for other in peer["sockets"]
            if (other["their_ip"], other["their_port"], other["my_port"])
            == (port["ip"], socket["my_port"], socket["their_port"])
        ]
        if len(mirrored) != 1:
            yield f"{here} row {socket['row']} is mirrored {len(mirrored)} times at its peer"
        if known.get(peer["ip"]) != peer["mac"]:
            yield f"{here} has no ARP entry, or a wrong one, for {peer['ip']}"
        if peer["rsfec"] != port["rsfec"]:
            yield f"{here} and {peer['ip']} disagree on RS-FEC"


def _adapter_faults(project: Path, documents: dict[str, Any]) -> Iterator[str]:
    ends: dict[str, dict[str, tuple[str, dict[str, str]]]] = {"tx": {}, "rx": {}}
    for path in sorted(project.glob("board*/rtl/edf_[tr]x_*.v")):
        _, side, number = path.stem.split("_")
        if number in ends[side]:
            yield f"link {number} has two ends of kind {side}"
        ends[side][number] = (path.parent.parent.name, dict(_PARAMETER.findall(path.read_text())))
    if ends["tx"].keys() != ends["rx"].keys():
        yield f"links {sorted(ends['tx'])} are sent, {sorted(ends['rx'])} received"
    for number in ends["tx"].keys() & ends["rx"].keys():
        (source, sender), (target, receiver) = ends["tx"][number], ends["rx"][number]
        if source == target:
            yield f"link {number} begins and ends on {source}"
        for name in _SAME:
            if sender[name] != receiver[name]:
                yield f"link {number}: {name} is {sender[name]} here and {receiver[name]} there"
        if not any(
            _leads(ours, sender["ROW"], theirs, receiver["ROW"])
            for ours in documents[source]["ports"]
            for theirs in documents[target]["ports"]
        ):
            yield f"link {number}: row {sender['ROW']} does not lead to row {receiver['ROW']}"


def _leads(ours: dict[str, Any], row: str, theirs: dict[str, Any], other: str) -> bool:
    """Whether a row of one port and a row of another are the two ends of one socket."""
    mine = [s for s in ours["sockets"] if s["row"] == int(row)]
    yours = [s for s in theirs["sockets"] if s["row"] == int(other)]
    return any(
        (a["their_ip"], a["their_port"], a["my_port"])
        == (theirs["ip"], b["my_port"], b["their_port"])
        for a in mine
        for b in yours
    )
