"""What the corrected profile repairs, one readable case per documented error of FINN."""

from __future__ import annotations

import pytest

from elasticdf.costs.estimate import estimate
from elasticdf.costs.profile import load_profile
from elasticdf.ir import AttributeValue, Layer
from elasticdf.layers import KINDS, with_defaults
from elasticdf.layers.kind import fpga_part

U250 = fpga_part("xcu250-figd2104-2L-e")
PYNQ = fpga_part("xc7z020clg400-1")


def layer(op_type: str, **attributes: AttributeValue) -> Layer:
    return with_defaults(Layer(name=f"{op_type}_0", op_type=op_type, attributes=attributes))


def fifo(**attributes: AttributeValue) -> Layer:
    return layer("StreamingFIFO_rtl", folded_shape=(1, 64, 32), dataType="UINT4", **attributes)


def threshold(**attributes: AttributeValue) -> Layer:
    stated: dict[str, AttributeValue] = {
        "PE": 2,
        "NumChannels": 512,
        "numSteps": 15,
        "inputDataType": "INT16",
        "weightDataType": "INT16",
        "outputDataType": "UINT4",
    }
    return layer("Thresholding_rtl", **(stated | attributes))


def test_a_deep_fifo_takes_block_ram() -> None:
    """Error F3: automatic memory of AMD's FIFO is counted as nothing."""
    deep = fifo(depth=4096, impl_style="vivado", ram_style="auto")
    assert estimate(deep, load_profile("finn"), U250).resources.bram18 == 0
    # 4096 words of 128 bits: 4 deep, 8 wide (18 bits each).
    assert estimate(deep, load_profile("corrected"), U250).resources.bram18 == 32


def test_a_fifo_in_uram_needs_a_part_with_uram() -> None:
    ultra = fifo(depth=4096, impl_style="vivado", ram_style="ultra")
    corrected = load_profile("corrected")
    assert estimate(ultra, corrected, U250).resources.uram == 2
    assert estimate(ultra, corrected, PYNQ).resources.uram == 0
    assert estimate(ultra, corrected, PYNQ).resources.bram18 == 32


def test_thresholds_in_block_ram_are_counted() -> None:
    """Error F4: once a depth trigger selects block RAM, FINN counts none."""
    stages = threshold(depth_trigger_bram=512, depth_trigger_uram=1 << 20)
    finn = estimate(stages, load_profile("finn"), U250).resources
    corrected = estimate(stages, load_profile("corrected"), U250).resources
    assert finn.bram18 == 0
    # Stages of 512, 1024 and 2048 words of 16 bits: 1, 1 and 2 BRAM18, for 2 PEs.
    assert corrected.bram18 == 8


@pytest.mark.parametrize(
    "free",
    [
        layer(
            "MVAU_rtl",
            PE=4,
            SIMD=8,
            MW=64,
            MH=64,
            noActivation=1,
            inputDataType="UINT4",
            weightDataType="INT4",
            outputDataType="INT16",
        ),
        layer("FMPadding_rtl", ImgDim=(8, 8), NumChannels=16, SIMD=4, inputDataType="UINT4"),
        layer(
            "LabelSelect_hls", Labels=10, PE=1, K=1, inputDataType="INT9", outputDataType="UINT8"
        ),
        layer("AddStreams_hls", NumChannels=64, PE=8, inputDataType="UINT2"),
        layer(
            "DuplicateStreams_hls", NumChannels=64, PE=8, NumOutputStreams=2, inputDataType="UINT2"
        ),
        layer(
            "StreamingMaxPool_hls", ImgDim=(8, 8), PoolDim=(2, 2), NumChannels=64, dataType="UINT2"
        ),
    ],
    ids=lambda free: free.op_type,
)
def test_layers_finn_counts_as_free_cost_something(free: Layer) -> None:
    """Error F5: whole op types have no LUT estimate."""
    finn = estimate(free, load_profile("finn"), U250)
    corrected = estimate(free, load_profile("corrected"), U250)
    assert finn.resources.lut == 0
    assert corrected.resources.lut > 50
    assert corrected.resources.ff is not None
    assert corrected.resources.ff > 50
    assert corrected.assumed == ("ff", "lut")


def test_finns_unknowns_are_named() -> None:
    assert estimate(fifo(depth=32), load_profile("finn"), U250).assumed == ("ff",)
    assert estimate(threshold(), load_profile("finn"), U250).assumed == ("ff", "lut")


def test_the_band_surrounds_the_estimate() -> None:
    cost = estimate(threshold(), load_profile("calibrated"), U250)
    assert cost.low.lut < cost.resources.lut < cost.high.lut
    assert cost.low.dsp == cost.resources.dsp == cost.high.dsp


def test_every_flavour_of_every_kind_has_its_coefficients() -> None:
    """An op type without coefficients would be free again, unnoticed."""
    coefficients = load_profile("corrected").coefficients
    assert coefficients is not None
    flavours = {f"{k.family}_{flavour}" for k in KINDS.values() for flavour in k.flavours}
    assert set(coefficients.kinds) == flavours
    assert all(costs.lut_per_layer > 0 for costs in coefficients.kinds.values())
