"""Reads what builds took: FINN's post-synthesis JSON and Vivado's hierarchical utilisation.

Only per-layer rows are of interest; whole-design totals and sub-blocks of layers are returned under
their own names and left to the caller to ignore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from elasticdf.documents import parse_json
from elasticdf.errors import UserError
from elasticdf.ir import Resources

_COLUMNS: Mapping[str, str] = {
    "total luts": "lut",
    "lut": "lut",
    "clb luts": "lut",
    "ffs": "ff",
    "ff": "ff",
    "clb registers": "ff",
    "ramb36": "bram36",
    "bram_36k": "bram36",
    "ramb18": "bram18",
    "bram_18k": "bram18",
    "uram": "uram",
    "dsp": "dsp",
    "dsp48": "dsp",
    "dsp48 blocks": "dsp",
    "dsp blocks": "dsp",
    "dsps": "dsp",
    "dsp slices": "dsp",
}
"""Column titles and keys of the tools' versions, in lower case."""

_LARGEST_FILE_BYTES = 200_000_000


def read_report(path: Path) -> dict[str, Resources]:
    """Return what each instance of a build took, by instance name (the last part of its path).

    Of instances with the same name the first, outermost one counts.

    Args:
        path: FINN's ``post_synth_resources.json``, or what Vivado's ``report_utilization
            -hierarchical`` wrote as text or XML.

    Raises:
        UserError: The file cannot be read or is none of these.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise UserError(f"report {path}: larger than any utilisation report; give the report")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"report {path}: cannot be read as text: {error}") from error
    start = text.lstrip()[:1]
    if start == "{":
        rows: Iterable[tuple[str, Mapping[str, Any]]] = _json_rows(text, path)
    elif start == "<":
        rows = _table_rows(_xml_cells(text, path), path)
    else:
        rows = _table_rows(_text_cells(text), path)
    found: dict[str, Resources] = {}
    for name, cells in rows:
        instance = name.strip().split("/")[-1]
        if instance:
            found.setdefault(instance, _resources(cells, f"report {path}, {instance}"))
    if not found:
        raise UserError(
            f"report {path}: holds no utilisation by instance; write it with Vivado's "
            "'report_utilization -hierarchical' or take FINN's post_synth_resources.json"
        )
    return found


_AS_BUILT = (
    "step_create_stitched_ip.onnx",
    "step_set_fifo_depths.onnx",
    "step_generate_estimate_reports.onnx",
    "step_minimize_bit_width.onnx",
    "step_apply_folding_config.onnx",
)
"""FINN's intermediate models that hold the layers as built, the last first."""


def built_model(report: Path) -> Path:
    """Return the model a report of a FINN build belongs to, by where FINN leaves both.

    Raises:
        UserError: The report does not lie in a FINN output folder.
    """
    for folder in (report.parent, report.parent.parent):
        for name in _AS_BUILT:
            model = folder / "intermediate_models" / name
            if model.is_file():
                return model
    raise UserError(
        f"report {report}: there is no intermediate_models/{_AS_BUILT[0]} beside it that would say "
        "what was built; leave the report in FINN's output folder or name the model (--model)"
    )


def _json_rows(text: str, path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    document = parse_json(text, f"report {path}")
    return [(name, entry) for name, entry in document.items() if isinstance(entry, dict)]


def _text_cells(text: str) -> Iterable[list[str]]:
    """Yield the cells of each row of a table drawn with bars."""
    for line in text.splitlines():
        if line.strip().startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def _xml_cells(text: str, path: Path) -> Iterable[list[str]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"report {path}: declares XML entities, which Vivado never does; refused")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"report {path}: not valid XML: {error}") from error
    return [
        [str(cell.get("contents", "")).strip() for cell in row] for row in root.iter("tablerow")
    ]


def _table_rows(rows: Iterable[list[str]], path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield (instance, cells by title) of the rows under a header that starts with Instance."""
    header: list[str] = []
    found = []
    for cells in rows:
        if cells and cells[0].lower() == "instance":
            header = [cell.lower() for cell in cells]
        elif header and len(cells) == len(header):
            found.append((cells[0], dict(zip(header, cells, strict=True))))
    if not header:
        raise UserError(
            f"report {path}: has no table with a column 'Instance'; write it with Vivado's "
            "'report_utilization -hierarchical'"
        )
    return found


def _resources(cells: Mapping[str, Any], where: str) -> Resources:
    amounts = dict.fromkeys(("lut", "ff", "bram36", "bram18", "uram", "dsp"), 0)
    for title, value in cells.items():
        column = _COLUMNS.get(title.lower().strip())
        if column is not None:
            amounts[column] = _count(value, f"{where}, {title}")
    return Resources(
        lut=amounts["lut"],
        ff=amounts["ff"],
        bram18=amounts["bram18"] + 2 * amounts["bram36"],
        uram=amounts["uram"],
        dsp=amounts["dsp"],
    )


def _count(value: Any, where: str) -> int:
    """Return a count; Vivado appends a share in brackets in some versions."""
    text = str(value).split("(")[0].strip()
    try:
        number = float(text)
    except ValueError as error:
        raise UserError(f"{where}: {value!r} is not a number") from error
    if not 0 <= number < 1e9:
        raise UserError(f"{where}: {value!r} is not a count of resources")
    return round(number)
