"""Cost profiles: named sets of coefficients with their origin.

``finn`` has none: it is FINN's own estimate. The others are TOML files of schema
``elasticdf.costs/1`` under ``profiles/``, or a file of yours with the same keys. A file may name
another profile as its ``base`` and state only what differs. Unknown keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from elasticdf.documents import parse_toml
from elasticdf.errors import UserError

SCHEMA = "elasticdf.costs/1"
SHIPPED = ("finn", "corrected", "calibrated")
"""The profiles that come with the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicCosts:
    """LUTs of what compute layers consist of; see ``profiles/corrected.toml`` for each."""

    xnor_lut_per_lane: float
    accumulator_lut_per_bit: float
    comparator_lut_per_bit: float
    threshold_rom_lut_per_bit: float
    weight_stream_lut_per_bit: float
    packed_dsp_lut: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipFlopCosts:
    """Flip-flops per unit of what a layer has."""

    per_compute_lut: float
    per_control_lut: float
    per_stream_bit: float
    per_weight_bit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCosts:
    """What FINN leaves out of one op type, and what builds of it showed.

    Attributes:
        lut_per_layer: Control.
        lut_per_stream_bit: Per bit of all its streams.
        bram18_per_layer: Block RAM of its control.
        lut: Measured over estimated, from builds.
        ff: The same for flip-flops.
        bram18: The same for block RAM.
        samples: Layers the three factors rest on; 0 means they are not measured.
        lut_range: Smallest and largest LUT estimate among those layers.
    """

    lut_per_layer: float = 0.0
    lut_per_stream_bit: float = 0.0
    bram18_per_layer: float = 0.0
    lut: float = 1.0
    ff: float = 1.0
    bram18: float = 1.0
    samples: int = 0
    lut_range: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignCosts:
    """What a whole Zynq design takes beside its layers."""

    lut: float
    ff: float
    bram18: float
    lut_per_dma_bit: float
    ff_per_dma_bit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Factors on the parts of every layer's estimate."""

    compute: float
    storage: float
    control: float
    ff: float
    bram18: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Factors from the estimate to the least and the most that is expected."""

    lut: tuple[float, float]
    ff: tuple[float, float]
    bram18: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Everything a profile other than ``finn`` needs."""

    logic: LogicCosts
    flip_flops: FlipFlopCosts
    kinds: Mapping[str, KindCosts]
    design: DesignCosts
    scale: Scale
    band: Band


@dataclass(frozen=True, slots=True, kw_only=True)
class CostProfile:
    """How estimates are made.

    Attributes:
        name: ``finn``, ``corrected``, ``calibrated`` or the path of a file.
        coefficients: None for ``finn``.
        origin: Source, tool version, part and date of the coefficients.
    """

    name: str
    coefficients: Coefficients | None = None
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def exactly_finn(self) -> bool:
        """Whether estimates equal FINN's, errors included."""
        return self.coefficients is None


FINN = CostProfile(name="finn", origin={"source": "FINN, main of April 2026, its own formulas"})


def load_profile(name: str) -> CostProfile:
    """Return a shipped profile by name, or the one in a file.

    Raises:
        UserError: There is no such profile, or the file is not one.
    """
    if name == "finn":
        return FINN
    if name in SHIPPED:
        text = resources.files("elasticdf.costs").joinpath(f"profiles/{name}.toml").read_text()
        return profile_from(text, name)
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"cost profile {name!r} is neither one of {', '.join(SHIPPED)} nor a file; "
            "make one with 'elasticdf calibrate'"
        )
    try:
        return profile_from(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError as error:
        raise UserError(f"cost profile {name}: not a text file; give a TOML file") from error


def profile_from(text: str, name: str) -> CostProfile:
    """Return the profile a TOML text describes.

    Raises:
        UserError: It is not TOML, not of the schema, or holds unknown or unfit values.
    """
    document = parse_toml(text.encode(), f"cost profile {name}")
    if document.get("schema") != SCHEMA:
        raise UserError(
            f"cost profile {name}: schema is {document.get('schema')!r}, {SCHEMA!r} is needed"
        )
    _refuse_unknown(document, {*_HEADER, "base", "kinds", *_TABLES}, name)
    base = document.get("base")
    inherited = load_profile(base).coefficients if base in ("corrected", "calibrated") else None
    if base is not None and inherited is None:
        raise UserError(
            f"cost profile {name}: base is {base!r}; it must be 'corrected' or 'calibrated'"
        )
    tables = {key: _table(document, key, inherited, name) for key in _TABLES}
    return CostProfile(
        name=name,
        coefficients=Coefficients(kinds=_kinds(document, inherited, name), **tables),
        origin={key: str(document[key]) for key in _HEADER if key in document},
    )


_HEADER = ("schema", "name", "source", "tool", "part", "date", "fit")
_TABLES: Mapping[str, type[LogicCosts | FlipFlopCosts | DesignCosts | Scale | Band]] = {
    "logic": LogicCosts,
    "flip_flops": FlipFlopCosts,
    "design": DesignCosts,
    "scale": Scale,
    "band": Band,
}


def _refuse_unknown(entry: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise UserError(
            f"cost profile {where}: unknown key {unknown[0]!r}; known are "
            f"{', '.join(sorted(known))}"
        )


def _table(document: Mapping[str, Any], key: str, inherited: Coefficients | None, name: str) -> Any:
    kind = _TABLES[key]
    stated = document.get(key, {})
    where = f"{name}, [{key}]"
    _refuse_unknown(stated, set(kind.__dataclass_fields__), where)
    values = {}
    for entry in kind.__dataclass_fields__:
        if entry in stated:
            values[entry] = _number_or_pair(stated[entry], f"{where} {entry}")
        elif inherited is not None:
            values[entry] = getattr(getattr(inherited, key), entry)
        else:
            raise UserError(f"cost profile {where}: {entry} is missing and there is no base")
    return kind(**values)


def _kinds(
    document: Mapping[str, Any], inherited: Coefficients | None, name: str
) -> dict[str, KindCosts]:
    kinds = dict(inherited.kinds) if inherited is not None else {}
    for op_type, stated in document.get("kinds", {}).items():
        where = f"{name}, [kinds.{op_type}]"
        _refuse_unknown(stated, set(KindCosts.__dataclass_fields__), where)
        before = kinds.get(op_type, KindCosts())
        values = {
            entry: _number_or_pair(stated[entry], f"{where} {entry}")
            if entry in stated
            else getattr(before, entry)
            for entry in KindCosts.__dataclass_fields__
        }
        kinds[op_type] = KindCosts(**{**values, "samples": int(values["samples"])})
    return dict(sorted(kinds.items()))


def _number_or_pair(value: Any, where: str) -> Any:
    """Return a number, or a pair of them as a tuple; neither may be negative."""
    numbers = value if isinstance(value, list) else [value]
    fits = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    if not fits or any(not 0 <= n < 1e9 for n in numbers) or len(numbers) not in (1, 2):
        raise UserError(f"cost profile {where} is {value!r}; numbers of at least 0 are needed")
    return (float(value[0]), float(value[1])) if isinstance(value, list) else float(value)
