"""FINN's folding files: attributes by layer name, with defaults by op type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from elasticdf.errors import UserError
from elasticdf.folding.coupling import check_couplings
from elasticdf.ir import AttributeValue, Graph, Layer
from elasticdf.layers import attributes_of, check_attribute, kind_of

_FOLDING_ATTRIBUTES = (
    "PE",
    "SIMD",
    "parallel_window",
    "ram_style",
    "resType",
    "mem_mode",
    "runtime_writeable_weights",
    "depth_trigger_uram",
    "depth_trigger_bram",
    "depth",
    "impl_style",
)
"""What FINN writes into its folding files, in its order; the last two for FIFOs only."""

_INSERTED_LATER = ("StreamingFIFO", "StreamingDataWidthConverter", "IODMA", "TLastMarker")
"""Families FINN adds after folding; its final files name them."""


def folding_document(graph: Graph) -> dict[str, Any]:
    """Return FINN's folding JSON for the graph as it is folded."""
    document: dict[str, Any] = {"Defaults": {}}
    for layer in graph:
        entry = {
            name: layer.attributes[name] for name in _FOLDING_ATTRIBUTES if name in layer.attributes
        }
        if entry:
            document[layer.name] = entry
    return document


def apply_folding(graph: Graph, document: Mapping[str, Any]) -> Graph:
    """Return the graph folded as a FINN folding file says.

    Layers the file does not name stay as they are. Entries for layers FINN inserts later (FIFOs,
    width converters, DMAs) are skipped with a note.

    Args:
        graph: With FINN's layer names.
        document: FINN's folding JSON: ``Defaults`` and one object per layer.

    Raises:
        UserError: The file names unknown layers or attributes, or values that are not legal.
    """
    if not isinstance(document, Mapping):
        raise UserError("the folding file must hold one JSON object: attributes by layer name")
    entries, defaults = _split_document(document)
    notes: list[str] = []
    known = {layer.name for layer in graph}
    for name in entries:
        if name not in known:
            if name.rstrip("0123456789_").removesuffix("_rtl").removesuffix("_hls") in (
                _INSERTED_LATER
            ):
                notes.append(f"folding of {name} is skipped: the network has no such layer yet")
                continue
            raise UserError(
                f"the folding file names layer {name!r}, which network {graph.name} does not have; "
                f"its layers run from {graph.layers[0].name} to {graph.layers[-1].name}"
            )
    layers = [
        _legal(_with_entry(layer, {**defaults(layer), **entries.get(layer.name, {})}))
        for layer in graph
    ]
    folded = replace(graph, layers=tuple(layers), notes=(*graph.notes, *notes))
    check_couplings(folded)
    return folded


def _split_document(
    document: Mapping[str, Any],
) -> tuple[dict[str, Mapping[str, Any]], Callable[[Layer], dict[str, Any]]]:
    """Return the entries by layer and a function giving each layer's defaults."""
    entries: dict[str, Mapping[str, Any]] = {}
    for name, entry in document.items():
        if not isinstance(entry, Mapping):
            raise UserError(
                f"the folding file's entry {name!r} is {entry!r}; it must be an object of "
                'attributes, such as {"PE": 2, "SIMD": 4}'
            )
        if name != "Defaults":
            entries[name] = entry
    rules: dict[str, tuple[Any, Any]] = {}
    for attribute, rule in document.get("Defaults", {}).items():
        if not _is_rule(rule):
            raise UserError(
                f"the folding file's default for {attribute} is {rule!r}; it must be a value and "
                'the op types it is for, such as ["block", ["MVAU_hls"]] or ["block", "all"]'
            )
        rules[attribute] = (rule[0], rule[1])

    def defaults(layer: Layer) -> dict[str, Any]:
        # FINN compares names, so the list ["all"] matches nothing (error F10); only "all" does.
        return {
            attribute: value
            for attribute, (value, types) in rules.items()
            if (types == "all" and attribute in attributes_of(layer))
            or (not isinstance(types, str) and layer.op_type in types)
        }

    return entries, defaults


def _is_rule(rule: object) -> bool:
    """Tell whether a default is a value and the op types it is for."""
    if not isinstance(rule, (list, tuple)) or len(rule) != 2:
        return False
    types = rule[1]
    return types == "all" or (
        isinstance(types, (list, tuple)) and all(isinstance(item, str) for item in types)
    )


def _with_entry(layer: Layer, entry: Mapping[str, Any]) -> Layer:
    declared = attributes_of(layer)
    changes: dict[str, AttributeValue] = {}
    for name, value in entry.items():
        attribute = declared.get(name)
        if attribute is None:
            raise UserError(
                f"folding of layer {layer.name} ({layer.op_type}): there is no attribute {name!r}; "
                f"it has {', '.join(sorted(declared))}"
            )
        changes[name] = tuple(value) if isinstance(value, list) else value
        check_attribute(layer, name, attribute, changes[name])
    return layer.with_attributes(changes)


def _legal(layer: Layer) -> Layer:
    """Return the layer if its folding divides its dimensions."""
    kind_of(layer).cycles(layer)
    kind_of(layer).ports(layer)
    return layer
