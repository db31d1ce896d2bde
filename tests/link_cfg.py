"""A reader of v++ link configurations, written from the manual and not from our emitter.

It parses, knows which keys exist, and finds what v++ would only find after an hour: streams used
twice or left open, instances without ``nk``, crowded banks, too many compute units.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

KNOWN_KEYS = {
    "": {"platform", "user_ip_repo_paths", "kernel_frequency"},
    "connectivity": {"nk", "slr", "sp", "stream_connect", "sc", "connect"},
    "clock": {"freqHz"},
    "advanced": {"param", "prop", "misc"},
    "vivado": {"prop", "param"},
}
MAX_UNITS = 60
MAX_PER_BANK = 15


@dataclass
class LinkCfg:
    """What a configuration says, and what is wrong with it."""

    top: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    dies: dict[str, str] = field(default_factory=dict)
    banks: dict[str, str] = field(default_factory=dict)
    streams: list[tuple[str, str, int | None]] = field(default_factory=list)
    clocks: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read(text: str, separator: str = ".") -> LinkCfg:
    """Parse a configuration; unknown or malformed lines become faults."""
    cfg, section = LinkCfg(), ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
            continue
        key, equals, value = line.partition("=")
        if not equals or key not in KNOWN_KEYS.get(section, set()):
            cfg.faults.append(f"unknown line in [{section}]: {line}")
            continue
        _take(cfg, section, key, value, separator)
    return cfg


def _take(cfg: LinkCfg, section: str, key: str, value: str, separator: str) -> None:
    parts = value.split(":")
    match section, key:
        case "", _:
            cfg.top[key] = value
        case "connectivity", "nk":
            _take_kernel(cfg, parts, separator)
        case "connectivity", "slr":
            if parts[0] in cfg.dies:
                cfg.faults.append(f"slr of {parts[0]} twice")
            cfg.dies[parts[0]] = parts[1]
        case "connectivity", "sp":
            if parts[0] in cfg.banks:
                cfg.faults.append(f"sp of {parts[0]} twice")
            cfg.banks[parts[0]] = ":".join(parts[1:])
        case "connectivity", "stream_connect" | "sc":
            cfg.streams.append((parts[0], parts[1], int(parts[2]) if parts[2:] else None))
        case "clock", "freqHz":
            cfg.clocks[parts[1]] = int(parts[0])
        case _:
            name, _, setting = value.partition("=")
            cfg.parameters[name] = setting


def _take_kernel(cfg: LinkCfg, parts: list[str], separator: str) -> None:
    kernel, count, units = parts
    names = units.split(separator)
    if len(names) != int(count):
        cfg.faults.append(f"nk of {kernel} counts {count} but names {len(names)}")
    for name in names:
        if name in cfg.units:
            cfg.faults.append(f"compute unit {name} twice")
        cfg.units[name] = kernel


def faults(cfg: LinkCfg, ports: Mapping[str, tuple[set[str], set[str]]]) -> list[str]:
    """Return everything wrong with a configuration.

    Args:
        cfg: As read.
        ports: Stream inputs and outputs of every compute unit, from another source than the file.
    """
    found = list(cfg.faults)
    ends = Counter(end for source, target, _ in cfg.streams for end in (source, target))
    found += [f"{end} is connected {count} times" for end, count in ends.items() if count > 1]
    found += [f"{end} belongs to no nk" for end in ends if end.split(".")[0] not in cfg.units]
    sources = {source for source, _, _ in cfg.streams}
    targets = {target for _, target, _ in cfg.streams}
    for unit, (inputs, outputs) in ports.items():
        if unit not in cfg.units:
            found.append(f"{unit} has no nk")
        found += [f"{unit}.{name} dangles" for name in inputs if f"{unit}.{name}" not in targets]
        found += [f"{unit}.{name} dangles" for name in outputs if f"{unit}.{name}" not in sources]
    found += [f"{unit} is not wanted" for unit in cfg.units if unit not in ports]
    for pinned in (*cfg.dies, *(b.split(".")[0] for b in cfg.banks)):
        if pinned not in cfg.units:
            found.append(f"{pinned} is placed but has no nk")
    for pin in cfg.clocks:
        if pin.split(".")[0] not in cfg.units:
            found.append(f"{pin} is clocked but has no nk")
    crowd: dict[str, int] = defaultdict(int)
    for bank in cfg.banks.values():
        crowd[bank] += 1
    found += [f"bank {b} has {n} interfaces" for b, n in crowd.items() if n > MAX_PER_BANK]
    if len(cfg.units) > MAX_UNITS:
        found.append(f"{len(cfg.units)} compute units")
    return found
