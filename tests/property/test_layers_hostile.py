"""Whatever attributes a file holds, the layer kinds answer or refuse; they never crash."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import load_profile
from elasticdf.errors import UserError
from elasticdf.ir import AttributeValue, Layer
from elasticdf.layers import KINDS, attributes_of, kind_of, with_defaults
from elasticdf.layers.kind import Attribute, fpga_part

OP_TYPES = sorted(
    f"{kind.family}_{flavour}" for kind in KINDS.values() for flavour in kind.flavours
)
PARTS = [fpga_part(name) for name in ("xcu250-figd2104-2L-e", "xc7z020clg400-1", "xcvc1902")]
PROFILES = [load_profile(name) for name in ("finn", "calibrated")]
NUMBERS = st.one_of(st.integers(-2, 40), st.sampled_from((256, 1000, 2**31, 10**18, -(10**9))))
TYPES = st.sampled_from(("INT4", "UINT8", "BIPOLAR", "TERNARY", "FLOAT32", "INT64", "INT0", ""))
ODD = st.one_of(st.text(max_size=3), st.floats(), st.lists(NUMBERS, max_size=3).map(tuple))


@st.composite
def value_of(draw: st.DrawFn, attribute: Attribute) -> AttributeValue:
    """Draw a value of the right type mostly, and something else now and then."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.one_of(NUMBERS, ODD))
    if attribute.allowed:
        return draw(st.sampled_from(attribute.allowed))
    if attribute.type == "int":
        return draw(NUMBERS if draw(st.integers(0, 4)) == 0 else st.integers(1, 12))
    if attribute.type == "ints":
        size = attribute.length or draw(st.integers(0, 4))
        return tuple(draw(st.lists(st.integers(0, 12), min_size=size, max_size=size)))
    return draw(TYPES)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    bare = Layer(name="any", op_type=draw(st.sampled_from(OP_TYPES)))
    stated = {
        name: draw(value_of(attribute))
        for name, attribute in attributes_of(bare).items()
        if attribute.default is None or draw(st.booleans())
    }
    return Layer(name="any", op_type=bare.op_type, attributes=stated)


@settings(max_examples=300)
@given(layers(), st.sampled_from(PARTS), st.sampled_from(PROFILES))
def test_layers_answer_or_refuse(layer: Layer, part, profile) -> None:
    with suppress(UserError):
        full = with_defaults(layer)
        kind = kind_of(full)
        kind.cycles(full)
        kind.ports(full)
        kind.foldings(full)
        estimate(full, profile, part)
        for variant in kind.variants(full, part):
            estimate(full.with_attributes(variant), profile, part)
