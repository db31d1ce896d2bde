"""From a project folder to the record of a report.

Read from ``plan.json`` and, where they are there, the manifest and the deployment beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elasticdf.documents import read_json
from elasticdf.errors import UserError
from elasticdf.records import expect_table
from elasticdf.report.record import PlanReport, StreamBuffer, of_plan
from partitioner.consistent import read_plan
from partitioner.plan import Outcome


def read_plan_report(directory: Path) -> PlanReport:
    """Return the report of a run directory.

    Raises:
        UserError: It holds no plan, or a file in it is not what it should be.
    """
    document = _read(directory / "plan.json")
    if document is None:
        raise UserError(
            f"{directory} holds no plan.json; "
            "make one with: elasticdf partition MODEL --target TARGET -o DIR"
        )
    manifest = _read(directory / "manifest.json")
    provenance = _provenance(manifest, directory)
    if _is_infeasible(document):
        return _infeasible(document, provenance, str(directory / "plan.json"))
    plan = read_plan(document, str(directory / "plan.json"))
    return of_plan(
        plan,
        model=_model(manifest),
        buffers=_buffers(_read(directory / "deployment.json"), directory),
        provenance=provenance,
    )


def _infeasible(
    document: Mapping[str, Any], provenance: tuple[tuple[str, str], ...], where: str
) -> PlanReport:
    cluster = document.get("cluster")
    clock = document.get("clock_hz")
    return PlanReport(
        plan=None,
        title=str(document.get("network", "")),
        request=(
            ("target", str(cluster.get("name") if isinstance(cluster, Mapping) else "")),
            ("mode", str(document.get("mode", ""))),
            ("clock", f"{clock / 1e6:g} MHz" if isinstance(clock, int) else ""),
        ),
        explanation=_explanation(document.get("explanation", {}), f"{where}, explanation"),
        provenance=provenance,
    )


def _explanation(document: Any, where: str) -> Mapping[str, Any]:
    """Return what the page reads of an explanation, or say what is wrong with it."""
    table = expect_table(document, where)
    for key in ("conflict", "shortfall", "remedies"):
        if not isinstance(table.get(key, []), list):
            raise UserError(f"{where}: key {key!r} is {table[key]!r:.60}, a list is needed")
    for key in ("shortfall", "remedies"):
        for entry in table.get(key, []):
            expect_table(entry, f"{where}, {key}")
    for entry in table.get("remedies", []):
        if "change" not in entry:
            raise UserError(f"{where}, remedies: an entry has no key 'change'; add what to change")
    return table


def _is_infeasible(document: Mapping[str, Any]) -> bool:
    certificate = document.get("certificate")
    return (
        isinstance(certificate, Mapping) and certificate.get("outcome") == Outcome.INFEASIBLE.value
    )


def _buffers(deployment: Mapping[str, Any] | None, directory: Path) -> tuple[StreamBuffer, ...]:
    where = str(directory / "deployment.json")
    try:
        return tuple(
            StreamBuffer(
                board=int(entry["board"]),
                source=".".join(map(str, entry["source"])),
                target=".".join(map(str, entry["target"])),
                depth=int(entry["depth"]),
            )
            for entry in (deployment or {}).get("local", ())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{where}: local streams are not as elasticdf writes them; "
            "make the project again with elasticdf partition"
        ) from error


def _provenance(manifest: Mapping[str, Any] | None, directory: Path) -> tuple[tuple[str, str], ...]:
    if manifest is None:
        return ()
    where = str(directory / "manifest.json")
    rows = [("network sha256", str(manifest.get("network_sha256", "")))]
    rows.append(("seed", str(manifest.get("seed", ""))))
    for group, label in (("options", "option"), ("versions", "version"), ("files", "sha256 of")):
        table = expect_table(manifest.get(group, {}), f"{where}, {group}")
        rows += [(f"{label} {name}", _plain(value)) for name, value in table.items()]
    return tuple(rows)


def _model(manifest: Mapping[str, Any] | None) -> str:
    options = (manifest or {}).get("options")
    model = options.get("model") if isinstance(options, Mapping) else None
    return model if isinstance(model, str) and model else "MODEL"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read(path: Path) -> Mapping[str, Any] | None:
    """Return the object in a JSON file, or None if there is no such file."""
    if not path.exists():
        return None
    return read_json(path)
