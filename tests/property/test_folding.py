"""Laws of foldings and fronts: unfolding never slows down, nothing dominated, all of it legal."""

from __future__ import annotations

from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import CostProfile, load_profile
from elasticdf.costs.streams import StreamCosts
from elasticdf.folding import (
    LayerOption,
    apply_folding,
    folding_document,
    options,
    pareto_front,
    thinned,
)
from elasticdf.ir import AttributeValue, DataType, Graph, Layer, Resources, Tensor
from elasticdf.layers import kind_of, with_defaults
from elasticdf.layers.kind import FpgaPart, fpga_part

PARTS = st.sampled_from(
    [fpga_part(name) for name in ("xcu250-figd2104-2L-e", "xc7z020clg400-1", "xcvc1902-vsva2197")]
)
SIZES = st.sampled_from((1, 2, 3, 4, 6, 8, 12, 16, 27, 36, 64))
BITS = st.integers(1, 8)
PROFILES = st.sampled_from([load_profile(name) for name in ("finn", "corrected", "calibrated")])


def made(op_type: str, **attributes: AttributeValue) -> Layer:
    return with_defaults(
        Layer(
            name=f"{op_type}_0",
            op_type=op_type,
            attributes=attributes,
            inputs=("in",),
            outputs=("out",),
        )
    )


@st.composite
def dense(draw: st.DrawFn) -> Layer:
    return made(
        draw(st.sampled_from(("MVAU_hls", "MVAU_rtl"))),
        PE=1,
        SIMD=1,
        MW=draw(SIZES),
        MH=draw(SIZES),
        numInputVectors=(1, draw(st.integers(1, 9))),
        inputDataType=f"UINT{draw(BITS)}",
        weightDataType=f"INT{draw(BITS) + 1}",
        outputDataType=f"UINT{draw(st.integers(1, 4))}",
        accDataType="INT24",
        noActivation=draw(st.integers(0, 1)),
    )


@st.composite
def depthwise(draw: st.DrawFn) -> Layer:
    kernel = draw(st.sampled_from(((1, 1), (3, 1), (3, 3), (5, 5))))
    return made(
        "VVAU_hls",
        PE=1,
        Dim=(draw(st.integers(1, 9)), draw(st.integers(1, 9))),
        Channels=draw(SIZES),
        Kernel=kernel,
        inputDataType=f"UINT{draw(BITS)}",
        weightDataType=f"INT{draw(BITS) + 1}",
        outputDataType=f"UINT{draw(st.integers(1, 4))}",
    )


@st.composite
def window(draw: st.DrawFn) -> Layer:
    """Draw a window generator whose geometry is consistent, one- or two-dimensional."""
    flat = draw(st.booleans())
    kernel = (1 if flat else draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (1 if flat else draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (1 if flat else draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    output = (1 if flat else draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    image = tuple((o - 1) * s + r for o, s, r in zip(output, stride, reach, strict=True))
    turned = flat and draw(st.booleans())
    turn = slice(None, None, -1) if turned else slice(None)
    return made(
        draw(st.sampled_from(("ConvolutionInputGenerator_rtl", "ConvolutionInputGenerator_hls"))),
        ConvKernelDim=kernel[turn],
        IFMChannels=draw(SIZES),
        IFMDim=image[turn],
        OFMDim=output[turn],
        SIMD=1,
        Stride=stride[turn],
        Dilation=dilation[turn],
        inputDataType=f"UINT{draw(BITS)}",
        outputDataType="UINT4",
        depthwise=draw(st.integers(0, 1)),
        is1D=int(flat),
    )


@st.composite
def threshold(draw: st.DrawFn) -> Layer:
    bits = draw(st.integers(1, 6))
    return made(
        draw(st.sampled_from(("Thresholding_rtl", "Thresholding_hls"))),
        PE=1,
        NumChannels=draw(SIZES),
        numSteps=2**bits - 1,
        inputDataType="INT16",
        weightDataType="INT16",
        outputDataType=f"UINT{bits}",
        numInputVectors=(1, draw(st.integers(1, 9))),
    )


@st.composite
def simple(draw: st.DrawFn) -> Layer:
    """Draw one of the kinds that fold by one attribute only."""
    channels, image = draw(SIZES), draw(st.integers(2, 9))
    types: dict[str, AttributeValue] = {"NumChannels": channels, "inputDataType": "UINT4"}
    vectors = (1, image, image)
    return draw(
        st.sampled_from(
            (
                made("AddStreams_hls", PE=1, numInputVectors=vectors, **types),
                made("DuplicateStreams_hls", PE=1, NumOutputStreams=2, **types),
                made("GlobalAccPool_hls", PE=1, numInputVectors=vectors, **types),
                made("FMPadding_rtl", ImgDim=(image, image), **types),
                made("FMPadding_Pixel_hls", ImgDim=(image, image), Stride=(2, 2), **types),
                made("DownSampler_hls", ImgDim=image, Stride=2, **types),
                made("LabelSelect_hls", Labels=channels, PE=1, K=1, inputDataType="INT9"),
                made(
                    "StreamingMaxPool_hls",
                    ImgDim=(1, 4 * image),
                    PoolDim=(1, 2),
                    PE=1,
                    NumChannels=channels,
                    dataType="UINT2",
                ),
                made(
                    "Pool_hls",
                    PE=1,
                    Channels=channels,
                    KernelSize=(2, 2),
                    Function="MaxPool",
                    OutImgDims=(image, image),
                    InputDataType="UINT4",
                    OutputDataType="UINT4",
                ),
            )
        )
    )


LAYERS = st.one_of(dense(), depthwise(), window(), threshold(), simple())


def lanes(layer: Layer, folding: dict[str, AttributeValue]) -> tuple[int, ...]:
    changed = layer.with_attributes(folding)
    return tuple(changed.integer(name, 0) for name in ("PE", "SIMD", "parallel_window"))


@given(LAYERS)
def test_unfolding_never_costs_cycles(layer: Layer) -> None:
    kind = kind_of(layer)
    # A window that leaves in one transfer is another circuit: compared among its own kind only.
    known = [(lanes(layer, dict(f)), layer.with_attributes(f)) for f in kind.foldings(layer)]
    for fewer, slow in known:
        for more, fast in known:
            if all(a <= b for a, b in zip(fewer, more, strict=True)) and fewer[2] == more[2]:
                assert kind.cycles(fast) <= kind.cycles(slow)


@given(LAYERS, PARTS)
def test_every_folding_is_legal_and_moves_the_same_frame(layer: Layer, part: FpgaPart) -> None:
    kind = kind_of(layer)
    frames = set()
    for folding in kind.foldings(layer):
        folded = layer.with_attributes(folding)
        assert kind.cycles(folded) > 0
        ports = kind.ports(folded)
        assert all(bits > 0 for bits in ports.input_bits + ports.output_bits)
        if folded.family not in ("LabelSelect", "DuplicateStreams"):
            frames.add(ports.output_bits[0] * ports.output_values)
        for variant in kind.variants(folded, part):
            resources = kind.resources(folded.with_attributes(variant), part)
            assert all(amount is None or amount >= 0 for _, amount in resources.items())
    assert len(frames) <= 1, "bits per frame do not depend on the folding"


def alone(layer: Layer) -> Graph:
    tensor = DataType.parse("UINT4")
    return Graph(
        name="one",
        layers=(layer,),
        tensors={n: Tensor(name=n, shape=(1, 1), datatype=tensor) for n in ("in", "out")},
        inputs=("in",),
        outputs=("out",),
    )


def whole_cost(layer: Layer, profile: CostProfile, part: FpgaPart) -> Resources:
    """Return the upper estimate of the layer with the streams before it."""
    own = estimate(layer, profile, part).high
    if profile.exactly_finn:
        return own
    streams = StreamCosts(profile=profile, part=part)
    bits = kind_of(layer).ports(layer).input_bits
    return own + streams.before(bits, layer.integers("inFIFODepths"), ())


def amounts(resources: Resources) -> tuple[int, ...]:
    return tuple(amount or 0 for _, amount in resources.items())


def dominates(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))


@settings(max_examples=40)
@given(LAYERS, PARTS, PROFILES, st.integers(0, 99))
def test_options_cover_what_brute_force_finds(layer, part, profile, pick) -> None:
    """Every folding and variant is matched or beaten by an option, if it is not wasteful."""
    kind = kind_of(layer)
    foldings = kind.foldings(layer)
    target = kind.cycles(layer.with_attributes(foldings[pick % len(foldings)]))
    graph = alone(layer)
    offered = options(graph, cycles=target, profile=profile, part=part, limit=10**6)[layer.name]
    vectors = [amounts(option.resources) for option in offered]
    assert not any(dominates(a, b) for a in vectors for b in vectors)
    assert len(set(vectors)) == len(vectors)
    fast = [f for f in foldings if kind.cycles(layer.with_attributes(f)) <= target]
    fewest = min(prod(int(f.get(n, 1)) for n in ("PE", "SIMD")) for f in fast)
    for folding in fast:
        if prod(int(folding.get(n, 1)) for n in ("PE", "SIMD")) > 4 * fewest:
            continue
        folded = layer.with_attributes(folding)
        for variant in kind.variants(folded, part):
            found = amounts(whole_cost(folded.with_attributes(variant), profile, part))
            assert any(v == found or dominates(v, found) for v in vectors)


@settings(max_examples=40)
@given(LAYERS, PARTS, PROFILES)
def test_options_can_be_written_for_finn_and_read_back(layer, part, profile) -> None:
    graph = alone(layer)
    slowest = max(
        kind_of(layer).cycles(layer.with_attributes(f)) for f in kind_of(layer).foldings(layer)
    )
    for option in options(graph, cycles=slowest, profile=profile, part=part)[layer.name]:
        chosen = graph.with_layers([layer.with_attributes(option.attributes)])
        again = apply_folding(graph, folding_document(chosen))
        assert folding_document(again) == folding_document(chosen)
        built = again.layers[0]
        assert kind_of(built).cycles(built) == option.cycles
        assert kind_of(built).ports(built).output_bits == option.output_bits
        assert whole_cost(built, profile, part) == option.resources


VECTORS = st.lists(st.tuples(*[st.integers(0, 6)] * 5), min_size=1, max_size=40)


def option(vector: tuple[int, ...]) -> LayerOption:
    lut, ff, bram18, uram, dsp = vector
    return LayerOption(
        cycles=1,
        resources=Resources(lut=lut, ff=ff, bram18=bram18, uram=uram, dsp=dsp),
        input_bits=(8,),
        output_bits=(8,),
    )


@given(VECTORS)
def test_a_front_is_what_nothing_dominates(vectors: list[tuple[int, ...]]) -> None:
    front = {amounts(o.resources) for o in pareto_front([option(v) for v in vectors])}
    assert front == {v for v in vectors if not any(dominates(o, v) for o in vectors)}


@given(VECTORS, st.integers(5, 12))
def test_thinning_keeps_the_cheapest_in_every_resource(
    vectors: list[tuple[int, ...]], limit: int
) -> None:
    front = pareto_front([option(v) for v in vectors])
    kept = thinned(front, limit)
    assert len(kept) == min(limit, len(front))
    for resource in range(5):
        cheapest = min(amounts(o.resources)[resource] for o in front)
        assert min(amounts(o.resources)[resource] for o in kept) == cheapest
