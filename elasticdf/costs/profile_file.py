"""Writes cost profiles as TOML that `elasticdf.costs.profile` reads back unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from elasticdf.costs.profile import SCHEMA, Coefficients, CostProfile
from elasticdf.errors import InternalError


def to_toml(profile: CostProfile, base: CostProfile) -> str:
    """Return the file's text: the origin, and what differs from the base profile.

    Args:
        profile: With coefficients.
        base: A shipped profile with coefficients.
    """
    if profile.coefficients is None or base.coefficients is None:
        raise InternalError("profile 'finn' is a formula, not a file")
    lines = [f"schema = {json.dumps(SCHEMA)}", f"base = {json.dumps(base.name)}"]
    lines += [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in profile.origin.items()
        if key not in ("schema", "base")
    ]
    ours, theirs = _tables(profile.coefficients), _tables(base.coefficients)
    for name, table in ours.items():
        changed = {k: v for k, v in table.items() if theirs.get(name, {}).get(k) != v}
        if changed:
            lines += ["", f"[{name}]", *(f"{key} = {_value(v)}" for key, v in changed.items())]
    return "\n".join(lines) + "\n"


def _tables(coefficients: Coefficients) -> dict[str, Mapping[str, object]]:
    tables: dict[str, Mapping[str, object]] = {
        "logic": asdict(coefficients.logic),
        "flip_flops": asdict(coefficients.flip_flops),
        "design": asdict(coefficients.design),
        "scale": asdict(coefficients.scale),
        "band": asdict(coefficients.band),
    }
    for op_type, costs in sorted(coefficients.kinds.items()):
        tables[f"kinds.{op_type}"] = asdict(costs)
    return tables


def _value(value: object) -> str:
    """Return a number or a pair of numbers with four significant decimals."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return repr(value) if isinstance(value, int) else repr(round(float(str(value)), 4))
