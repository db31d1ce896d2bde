"""Boards and clusters as data: what the rest of the project may know of hardware."""

from elasticdf.hardware.board import (
    Board,
    Boundary,
    BuildFlow,
    Die,
    HostLink,
    MemoryBank,
    MemoryController,
    MemoryKind,
    NetworkPort,
    Shell,
)
from elasticdf.hardware.cluster import (
    AutoTarget,
    Cable,
    Cluster,
    Switch,
    load_cluster,
    parse_target,
)
from elasticdf.hardware.load import board_names, load_board

__all__ = [
    "AutoTarget",
    "Board",
    "Boundary",
    "BuildFlow",
    "Cable",
    "Cluster",
    "Die",
    "HostLink",
    "MemoryBank",
    "MemoryController",
    "MemoryKind",
    "NetworkPort",
    "Shell",
    "Switch",
    "board_names",
    "load_board",
    "load_cluster",
    "parse_target",
]
