"""Builds the kernels of board 0 (u50) with FINN. Written by elasticdf.

One .xo per compute kernel and one per host DMA; network ends stay streams. A .dat beside an .xo holds
weights that the host has to load; a .key says what the .xo was made from, so that it is kept while
that is the same. Needs FINN (main branch of April 2026) and its tools, nothing else. Linking is v++'s,
with link.cfg beside this file: FINN's own linker takes every kernel at a graph end for a DMA.

    python3 build.py --list                         names of all kernels
    python3 build.py --kernel NAME --output FILE    build one of them
"""

import argparse
import hashlib
import json
import os
import shutil
import sys

import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = '0.1.0'
PART = 'xcu50-fsvh2104-2L-e'
CLOCK_NS = 5.0

# Name: replica, layers in order, and per stream end (tensor, elements and bits of a transfer).
KERNELS = {
    'seg_r0_s0': {'replica': 0, 'layers': ['Thresholding_rtl_0', 'Thresholding_rtl_1'], 'inputs': [('t0', 2, 16)], 'outputs': [('t2', 4, 8)]},
    'seg_r0_s1': {'replica': 0, 'layers': ['Thresholding_rtl_2'], 'inputs': [('t2', 4, 8)], 'outputs': [('t3', 2, 4)]},
}

# Name: direction, bits of a padded transfer, transfers of a frame.
DMAS = {
    'idma_seg_r0_s0': {'direction': 'in', 'bits': 16, 'transfers': 64},
    'odma_seg_r0_s1': {'direction': 'out', 'bits': 8, 'transfers': 64},
}

# The plan was made from QONNX: FINN's own graph, under the plan's names and with minimised bit widths,
# is what is built.
GRAPH = os.path.join("..", "finn", "graph.onnx")

# Where a layer sits changes nothing inside its kernel.
PLACE = ("slr", "partition_id", "device_id", "mem_port")

# "given": depths from folding.json; "sized": FINN simulates and finds them.
FIFO_DEPTHS = 'sized'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--kernel", choices=[*KERNELS, *DMAS])
    parser.add_argument("--output", help="the .xo to write")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*KERNELS, *DMAS]))
        return
    if not options.kernel or not options.output:
        parser.error("--kernel and --output go together")
    make_kernel(options.kernel, os.path.splitext(options.output)[0], options.output)


def make_kernel(name, stem, output):
    """Build a kernel, or leave the one that was made from the same as it is: make then links nothing."""
    key = fingerprint(name)
    if kept(stem, output, key):
        print("%s was made from the same, it is kept; remove %s.key to build it again" % (name, stem))
        return
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    model = build_kernel(name) if name in KERNELS else build_dma(name)
    weights = write_weights(model, stem + ".dat")
    shutil.copyfile(model.get_metadata_prop("vitis_xo"), output + ".part")
    os.replace(output + ".part", output)
    with open(stem + ".key", "w") as handle:
        handle.write(key + (" weights" if weights else ""))


def fingerprint(name):
    """Return a digest of all that decides a kernel: its part of the graph, its folding, the target."""
    digest = hashlib.sha256()
    choices = [VERSION, PART, CLOCK_NS, FIFO_DEPTHS, KERNELS.get(name), DMAS.get(name)]
    if name in KERNELS:
        replica = KERNELS[name]["replica"]
        model = cut(onnx.load(os.path.join(HERE, GRAPH.format(replica=replica))), name)
        folding = folding_of(replica)
        choices.append([[node.name, folding.get(node.name)] for node in model.graph.node])
        for node in model.graph.node:
            inner = [a for a in node.attribute if a.name not in PLACE]
            del node.attribute[:]
            node.attribute.extend(inner)
        digest.update(model.SerializeToString(deterministic=True))
    digest.update(json.dumps(choices).encode())
    return digest.hexdigest()


def kept(stem, output, key):
    """Whether the files of a kernel are there and were made from the same."""
    if not os.path.exists(output) or not os.path.exists(stem + ".key"):
        return False
    with open(stem + ".key") as handle:
        made, *weights = handle.read().split()
    return made == key and (not weights or os.path.exists(stem + ".dat"))


def build_kernel(name):
    """Cut the kernel out of its replica's graph and take it through FINN."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames

    from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    replica = KERNELS[name]["replica"]
    whole = onnx.load(os.path.join(HERE, GRAPH.format(replica=replica)))
    model = ModelWrapper(cut(whole, name))
    model = apply_folding(model, replica)
    model = model.transform(SpecializeLayers(PART))
    model = convert_ends(model, KERNELS[name]["inputs"])
    check_ends(model, name)
    model = model.transform(InsertDWC())
    model = model.transform(SpecializeLayers(PART))
    model = set_fifo_depths(model)
    model = model.transform(GiveUniqueNodeNames(prefix=name + "_"))
    model = model.transform(GiveReadableTensorNames())
    return make_xo(model, name)


def build_dma(name):
    """Make a kernel that is one FINN IODMA: host memory on one side, a stream on the other."""
    from math import gcd

    from qonnx.core.datatype import DataType
    from qonnx.core.modelwrapper import ModelWrapper

    dma = DMAS[name]
    lanes = dma["bits"] // 8
    shape = [1, dma["transfers"], lanes]
    ends = [onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, shape) for end in ("from", "to")]
    node = onnx.helper.make_node(
        "IODMA_hls",
        ["from"],
        ["to"],
        name=name,
        domain="finn.custom_op.fpgadataflow.hls",
        backend="fpgadataflow",
        numInputVectors=shape[:-1],
        NumChannels=lanes,
        dataType="UINT8",
        intfWidth=gcd(dma["bits"] * dma["transfers"], 512),
        streamWidth=dma["bits"],
        direction=dma["direction"],
    )
    graph = onnx.helper.make_graph([node], name, ends[:1], ends[1:])
    domains = [("", 17), ("finn.custom_op.fpgadataflow.hls", 1)]
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in domains]
    model = ModelWrapper(onnx.helper.make_model(graph, opset_imports=opsets))
    for end in ("from", "to"):
        model.set_tensor_datatype(end, DataType["UINT8"])
    return make_xo(model, name)


def make_xo(model, name):
    """Synthesise, stitch and package; CreateVitisXO leaves the file's name in the metadata."""
    from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP
    from finn.transformation.fpgadataflow.hlssynth_ip import HLSSynthIP
    from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
    from finn.transformation.fpgadataflow.vitis_build import CreateVitisXO

    model = model.transform(PrepareIP(PART, CLOCK_NS))
    model = model.transform(HLSSynthIP())
    model = model.transform(CreateStitchedIP(PART, CLOCK_NS, ip_name=name, vitis=True))
    return model.transform(CreateVitisXO(name))


def cut(whole, name):
    """Return the part of a model that a kernel holds, with all FINN annotated.

    The ends come in the order of the kernel's ports: FINN numbers streams by the graph's ends.
    """
    chosen = set(KERNELS[name]["layers"])
    graph = whole.graph
    nodes = [node for node in graph.node if node.name in chosen]
    used = {tensor for node in nodes for tensor in [*node.input, *node.output] if tensor}
    inputs, outputs = ([end[0] for end in KERNELS[name][side]] for side in ("inputs", "outputs"))
    missing = (chosen - {node.name for node in nodes}) | ({*inputs, *outputs} - used)
    if missing:
        sys.exit("the graph of kernel %s lacks %s" % (name, ", ".join(sorted(missing))))
    infos = {v.name: v for v in [*graph.value_info, *graph.input, *graph.output]}
    part = onnx.GraphProto(name=name)
    part.node.extend(nodes)
    part.input.extend(infos[tensor] for tensor in inputs)
    part.output.extend(infos[tensor] for tensor in outputs)
    part.initializer.extend(tensor for tensor in graph.initializer if tensor.name in used)
    part.value_info.extend(
        v for n, v in infos.items() if n in used and n not in {*inputs, *outputs}
    )
    part.quantization_annotation.extend(
        a for a in graph.quantization_annotation if a.tensor_name in used
    )
    model = onnx.ModelProto(ir_version=whole.ir_version, graph=part)
    model.opset_import.extend(whole.opset_import)
    model.metadata_props.extend(whole.metadata_props)
    return model


def apply_folding(model, replica):
    """Set the attributes folding.json has for this kernel's layers; edit that file to refold."""
    from qonnx.custom_op.registry import getCustomOp

    folding = folding_of(replica)
    for node in model.graph.node:
        for attribute, value in folding.get(node.name, {}).items():
            getCustomOp(node).set_nodeattr(attribute, value)
    return model


def folding_of(replica):
    names = ["folding%d.json" % replica, "folding.json"]
    path = next(p for p in (os.path.join(HERE, name) for name in names) if os.path.exists(p))
    with open(path) as handle:
        return json.load(handle)


def write_weights(model, path):
    """Write the weights that the host must load through the kernel's AXI-Lite port; say if there are any.

    URAM holds nothing after configuration: one word per line, for the port from offset 0 on, before
    the first frame. FINN packs one such layer per kernel, which is why the plan's kernels have parts.
    """
    from qonnx.custom_op.registry import getCustomOp

    for node in model.graph.node:
        op = getCustomOp(node)
        if "runtime_writeable_weights" not in op.get_nodeattr_types():
            continue
        if op.get_nodeattr("runtime_writeable_weights") == 1:
            op.make_weight_file(model.get_initializer(node.input[1]), "decoupled_runtime", path)
            return True
    return False


def convert_ends(model, inputs):
    """Put a width converter behind every input whose producer folds differently from its consumer."""
    from qonnx.custom_op.registry import getCustomOp

    for tensor, elements, bits in inputs:
        node = model.find_consumer(tensor)
        wanted = getCustomOp(node).get_instream_width(list(node.input).index(tensor))
        if wanted == bits:
            continue
        info = next(v for v in model.graph.input if v.name == tensor)
        inner = onnx.ValueInfoProto()
        inner.CopyFrom(info)
        inner.name = tensor + "_converted"
        model.graph.value_info.append(inner)
        datatype = model.get_tensor_datatype(tensor)
        model.set_tensor_datatype(inner.name, datatype)
        shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
        converter = onnx.helper.make_node(
            "StreamingDataWidthConverter",
            [tensor],
            [inner.name],
            domain="finn.custom_op.fpgadataflow",
            backend="fpgadataflow",
            shape=shape,
            inWidth=bits,
            outWidth=wanted,
            dataType=str(datatype.name),
        )
        node.input[list(node.input).index(tensor)] = inner.name
        model.graph.node.insert(0, converter)
    return model


def check_ends(model, name):
    """Stop if a stream became wider or narrower than the plan says: the other end would not fit."""
    from qonnx.custom_op.registry import getCustomOp

    differing = []
    for tensor, elements, bits in KERNELS[name]["outputs"]:
        node = model.find_producer(tensor)
        found = getCustomOp(node).get_outstream_width(list(node.output).index(tensor))
        if found != bits:
            differing.append("output %s has %d bits, the plan says %d" % (tensor, found, bits))
    if differing:
        sys.exit("kernel %s: %s; partition the graph again after FINN's "
                 "step_minimize_bit_width" % (name, "; ".join(differing)))


def set_fifo_depths(model):
    """Insert FIFOs: with the depths the plan or the user gave, or with those FINN finds.

    As FINN's own step does, what is deeper than one FIFO can be is split, what has no depth removed.
    """
    from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
    from finn.transformation.fpgadataflow.set_fifo_depths import (
        InsertAndSetFIFODepths,
        RemoveShallowFIFOs,
        SplitLargeFIFOs,
    )
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers

    if not any(node.op_type.startswith("StreamingFIFO") for node in model.graph.node):
        if FIFO_DEPTHS == "sized":
            model = model.transform(InsertAndSetFIFODepths(PART, CLOCK_NS))
        else:
            model = model.transform(InsertFIFO(create_shallow_fifos=True, max_qsrl_depth=256))
            model = model.transform(SpecializeLayers(PART))
    return model.transform(SplitLargeFIFOs()).transform(RemoveShallowFIFOs())


if __name__ == "__main__":
    main()
