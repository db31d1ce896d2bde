"""FINN's configuration files: folding, specialisation, floorplan, as its ApplyConfig reads them.

``Defaults`` is always there, because FINN needs the key, and always empty, because FINN ignores the
defaults it writes itself. Only attributes a layer has are named; FINN stops at others.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from codegen.finn.subgraph import Placement, Settings
from elasticdf.ir import Graph, Layer
from elasticdf.layers import attributes_of, flavour_of

FOLDING_ATTRIBUTES = (
    "PE",
    "SIMD",
    "parallel_window",
    "ram_style",
    "ram_style_thresholds",
    "resType",
    "mem_mode",
    "runtime_writeable_weights",
    "depth_trigger_uram",
    "depth_trigger_bram",
    "depth",
    "impl_style",
    "inFIFODepths",
    "outFIFODepths",
)
"""What FINN's own folding and final hardware files carry."""


def folding(graph: Graph, chosen: dict[str, Settings]) -> dict[str, Any]:
    """Return FINN's folding configuration for the layers that are chosen."""
    return {
        "Defaults": {},
        **{
            layer.name: _folding_of(layer.with_attributes(chosen[layer.name]))
            for layer in graph
            if layer.name in chosen
        },
    }


def specialisation(graph: Graph, chosen: dict[str, Settings]) -> dict[str, Any]:
    """Return FINN's specialisation configuration, under the names layers have before that step."""
    counts: Counter[str] = Counter()
    document: dict[str, Any] = {"Defaults": {}}
    for layer in graph:
        name = f"{layer.family}_{counts[layer.family]}"
        counts[layer.family] += 1
        if layer.name in chosen:
            document[name] = {"preferred_impl_style": flavour_of(layer) or ""}
    return document


def floorplan(placed: dict[str, Placement]) -> dict[str, Any]:
    """Return FINN's floorplan; FINN recomputes partition ids, so ours keeps its own copy."""
    return {"Defaults": {}, **{name: place.settings() for name, place in placed.items()}}


def _folding_of(layer: Layer) -> dict[str, Any]:
    known = attributes_of(layer)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in FOLDING_ATTRIBUTES
        if name in known and (value := layer.attributes.get(name)) is not None
    }
