"""Runs FINN's front end on the network and matches the plan to FINN's graph. Written by elasticdf.

The plan was made from the QONNX file, before FINN saw it. Layers are matched by kind, shape and
neighbours, never by number. Where the two differ this stops and lists the differences; nothing is
built from a plan that does not fit. Leaves finn/graph.onnx (FINN's graph under the plan's names) and
finn/matched.json. Needs FINN only; steps.py beside this file, if there, replaces FINN's own steps.
"""

import difflib
import hashlib
import json
import os
import sys

import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORK = os.path.join(HERE, "..", "network.onnx")
PART = 'xcu50-fsvh2104-2L-e'
CLOCK_NS = 5.0
DEFAULT_STEPS = [
    'step_qonnx_to_finn',
    'step_tidy_up',
    'step_streamline',
    'step_convert_to_hw',
    'step_create_dataflow_partition',
]
CONVERTERS = ("StreamingDataWidthConverter", "StreamingFIFO")


def main():
    with open(os.path.join(HERE, "plan.json")) as handle:
        plan = json.load(handle)
    model = front_end()
    pairs = match(plan, describe(model, plan["attributes"]))
    rename(model, plan, pairs)
    model = minimise_bit_widths(specialise(model, plan))
    write("graph.onnx", model.model.SerializeToString(deterministic=True))
    write("matched.json", (json.dumps(pairs, indent=1, sort_keys=True) + "\n").encode())


def front_end():
    """Return FINN's dataflow graph, before specialisation."""
    from finn.builder.build_dataflow_config import DataflowBuildConfig
    from finn.builder.build_dataflow_steps import build_dataflow_step_lookup
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.general import GiveUniqueNodeNames

    config = DataflowBuildConfig(
        output_dir=os.path.join(HERE, "build"),
        synth_clk_period_ns=CLOCK_NS,
        generate_outputs=[],
        fpga_part=PART,
    )
    os.makedirs(os.path.join(config.output_dir, "intermediate_models"), exist_ok=True)
    model = ModelWrapper(NETWORK)
    for step in user_steps():
        function = step if callable(step) else build_dataflow_step_lookup[step]
        model = function(model, config)
    return model.transform(GiveUniqueNodeNames())


def user_steps():
    if not os.path.exists(os.path.join(HERE, "steps.py")):
        return [convert_quantisers, *DEFAULT_STEPS]
    sys.path.insert(0, HERE)
    import steps

    return steps.STEPS


def convert_quantisers(model, config):
    """Convert also what step_qonnx_to_finn leaves alone: networks with BipolarQuant only."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
    from qonnx.util.cleanup import cleanup_model

    if not any(node.op_type == "BipolarQuant" for node in model.graph.node):
        return model
    return cleanup_model(model).transform(ConvertQONNXtoFINN())


def describe(model, attributes):
    """Return FINN's graph in the form of plan.json."""
    from qonnx.custom_op.registry import getCustomOp

    streams = {value.name for value in model.graph.input}
    streams |= {tensor for node in model.graph.node for tensor in node.output}
    streams -= {tensor.name for tensor in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        op = getCustomOp(node)
        known = op.get_nodeattr_types()
        values = {name: op.get_nodeattr(name) for name in attributes if name in known}
        family = node.op_type.replace("_hls", "").replace("_rtl", "")
        if family != "Thresholding" and values.get("noActivation") != 0:
            values.pop("outputDataType", None)  # an accumulator's; FINN narrows those later
        layers.append(
            {
                "name": node.name,
                "family": family,
                "structure": {name: plain(value) for name, value in values.items()},
                "inputs": [tensor for tensor in node.input if tensor in streams],
                "outputs": list(node.output),
            }
        )
    return {
        "inputs": [value.name for value in model.graph.input if value.name in streams],
        "outputs": [value.name for value in model.graph.output],
        "layers": [layer for layer in layers if layer["family"] not in CONVERTERS],
    }


def plain(value):
    """Return a list of plain numbers, a number or text, whatever FINN holds it in."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return list(value) if isinstance(value, (list, tuple)) else value


def match(plan, found):
    """Return FINN's name for every layer of the plan; stop with a list where they differ."""
    common = {
        family: shared(plan, found, family) for family in {layer["family"] for layer in plan["layers"]}
    }
    ours, theirs = keys(plan, common), keys(found, common)
    waiting = {}
    for layer in found["layers"]:
        waiting.setdefault(theirs[layer["name"]], []).append(layer["name"])
    pairs, missing = {}, []
    made = {tensor: layer["name"] for layer in plan["layers"] for tensor in layer["outputs"]}
    before = neighbours(found)
    for layer in plan["layers"]:
        candidates = waiting.get(ours[layer["name"]], [])
        makers = sorted(pairs.get(made[t], "") for t in layer["inputs"] if t in made)
        # Equal digests may belong to different branches: follow the branch already matched.
        fitting = [c for c in candidates if sorted(m for m in before[c] if m) == makers]
        if fitting or candidates:
            pairs[layer["name"]] = (fitting or candidates)[0]
            candidates.remove(pairs[layer["name"]])
        else:
            missing.append(layer)
    if missing or any(waiting.values()):
        report(plan, found, missing, common)
    return pairs


def shared(plan, found, family):
    """Return the attributes both sides know of a kind of layer."""
    sides = [
        {name for layer in side["layers"] if layer["family"] == family for name in layer["structure"]}
        for side in (plan, found)
    ]
    return sorted(sides[0] & sides[1]) if all(sides) else sorted(sides[0] | sides[1])


def keys(side, common):
    """Return for every layer a digest of itself, all that leads to it and all that follows it.

    Layers with equal digests are interchangeable: the graph looks the same from both.
    """
    labels = {layer["name"]: label(layer, common) for layer in side["layers"]}
    before = neighbours(side)
    after = {name: [] for name in labels}
    for name, makers in before.items():
        for other in makers:
            if other is not None:
                after[other].append(name)
    order = [layer["name"] for layer in side["layers"]]
    up, down = {None: ""}, {}
    for name in order:
        up[name] = digest(labels[name], sorted(up[other] for other in before[name]))
    for name in reversed(order):
        down[name] = digest(labels[name], sorted(down[other] for other in after[name]))
    # Neighbours' keys tell apart layers that only their surroundings distinguish.
    colour = {name: digest(up[name], down[name]) for name in order}
    for _ in range(8):
        colour = {
            name: digest(
                colour[name],
                sorted(colour[o] for o in before[name] if o is not None),
                sorted(colour[o] for o in after[name]),
            )
            for name in order
        }
    return colour


def neighbours(side):
    """Return the makers of every layer's inputs; None stands for the graph's own input."""
    maker = {tensor: layer["name"] for layer in side["layers"] for tensor in layer["outputs"]}
    return {layer["name"]: [maker.get(t) for t in layer["inputs"]] for layer in side["layers"]}


def label(layer, common):
    values = [(name, layer["structure"].get(name)) for name in common.get(layer["family"], ())]
    return json.dumps([layer["family"], values])


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def report(plan, found, missing, common):
    """Print what differs, in order of the data, and stop."""
    sides = [plan["layers"], found["layers"]]
    labels = [[label(layer, common) for layer in side] for side in sides]
    lines = []
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(None, *labels, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        ours, theirs = sides[0][i:i_end], sides[1][j:j_end]
        for layer, other in zip(ours, theirs):
            lines.append(
                "  %s, FINN's %s: %s"
                % (layer["name"], other["name"], "; ".join(differing(layer, other, common)))
            )
        paired = min(len(ours), len(theirs))
        lines += ["  only in the plan: %s (%s)" % (o["name"], o["family"]) for o in ours[paired:]]
        lines += ["  only in FINN's graph: %s (%s)" % (o["name"], o["family"]) for o in theirs[paired:]]
    lines = lines or ["  %s is connected otherwise" % layer["name"] for layer in missing]
    lines.append("partition FINN's own graph instead, or give the steps that make it (--finn-steps)")
    sys.exit("\n".join(["the plan does not fit the graph FINN made of the network:", *lines]))


def differing(layer, other, common):
    if layer["family"] != other["family"]:
        return ["%s in the plan, %s in FINN" % (layer["family"], other["family"])]
    return [
        "%s is %s in the plan, %s in FINN" % (name, layer["structure"].get(name), other["structure"].get(name))
        for name in common[layer["family"]]
        if layer["structure"].get(name) != other["structure"].get(name)
    ]


def rename(model, plan, pairs):
    """Give FINN's layers and streams the plan's names, by the layers at their ends."""
    nodes = {node.name: node for node in model.graph.node}
    theirs = {pairs[layer["name"]]: layer for layer in plan["layers"]}
    ours_of = {theirs_name: layer["name"] for theirs_name, layer in theirs.items()}
    makers = {tensor: node.name for node in model.graph.node for tensor in node.output}
    made = {tensor: layer["name"] for layer in plan["layers"] for tensor in layer["outputs"]}
    names = {}
    for value, name in zip(model.graph.input, plan["inputs"]):
        names[value.name] = name
    for value, name in zip(model.graph.output, plan["outputs"]):
        names[value.name] = name
    for theirs_name, layer in theirs.items():
        wanted = list(layer["inputs"])
        for tensor in nodes[theirs_name].input:
            if tensor in names and names[tensor] in wanted:
                wanted.remove(names[tensor])
            elif tensor in makers:
                source = ours_of.get(makers[tensor])
                fitting = [name for name in wanted if made.get(name) == source]
                if fitting:
                    names[tensor] = fitting[0]
                    wanted.remove(fitting[0])
    apply_names(model, names)
    for theirs_name, layer in theirs.items():
        nodes[theirs_name].name = layer["name"]


def apply_names(model, names):
    taken = set(names.values())
    for node in model.graph.node:
        for field in (node.input, node.output):
            for index, tensor in enumerate(field):
                field[index] = renamed(tensor, names, taken)
    for values in (model.graph.input, model.graph.output, model.graph.value_info, model.graph.initializer):
        for value in values:
            value.name = renamed(value.name, names, taken)
    for annotation in model.graph.quantization_annotation:
        annotation.tensor_name = renamed(annotation.tensor_name, names, taken)


def renamed(tensor, names, taken):
    """Return the new name; a tensor that would now share one steps aside."""
    if tensor in names:
        return names[tensor]
    return tensor + "_finn" if tensor in taken else tensor


def specialise(model, plan):
    """Choose implementations as the plan does, then let FINN specialise."""
    from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
    from qonnx.custom_op.registry import getCustomOp

    styles = {layer["name"]: layer["style"] for layer in plan["layers"]}
    for node in model.graph.node:
        if styles.get(node.name):
            getCustomOp(node).set_nodeattr("preferred_impl_style", styles[node.name])
    names = {tuple(node.output): node.name for node in model.graph.node}
    model = model.transform(SpecializeLayers(PART))
    for node in model.graph.node:
        node.name = names.get(tuple(node.output), node.name)
    return model


def minimise_bit_widths(model, ends=()):
    """Minimise widths as FINN does, with three exceptions.

    BIPOLAR weights stay: FINN would widen them to INT2. Layers that make one of the ``ends`` keep
    their output type, because the kernel at the other end of that stream was planned with it. Weights
    that the host loads are known, they are not taken for any of their type.
    """
    from qonnx.core.datatype import DataType
    from qonnx.custom_op.registry import getCustomOp
    from qonnx.transformation.infer_datatypes import InferDataTypes

    from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
    from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth

    kept = {}
    for node in model.graph.node:
        names = ["weightDataType"] if attribute_of(node, "weightDataType") == "BIPOLAR" else []
        if set(node.output) & set(ends):
            names += ["outputDataType", "accDataType"]
        for name in names:
            if attribute_of(node, name) is not None:
                kept[tuple(node.output), name] = attribute_of(node, name)
    loaded = [n for n in model.graph.node if attribute_of(n, "runtime_writeable_weights") == 1]
    for node in loaded:
        getCustomOp(node).set_nodeattr("runtime_writeable_weights", 0)
    model = model.transform(MinimizeWeightBitWidth())
    model = model.transform(MinimizeAccumulatorWidth())
    loaded = {tuple(node.output) for node in loaded}
    for node in model.graph.node:
        if tuple(node.output) in loaded:
            getCustomOp(node).set_nodeattr("runtime_writeable_weights", 1)
    for node in model.graph.node:
        for name in ("weightDataType", "outputDataType", "accDataType"):
            value = kept.get((tuple(node.output), name))
            if value is None:
                continue
            getCustomOp(node).set_nodeattr(name, value)
            if name == "weightDataType":
                model.set_tensor_datatype(node.input[1], DataType[value])
    return model.transform(InferDataTypes())


def attribute_of(node, name):
    """Return a number or text that a node states, or None."""
    stated = (a for a in node.attribute if a.name == name)
    return next((a.i if a.type == onnx.AttributeProto.INT else a.s.decode() for a in stated), None)


def write(name, content):
    partial = os.path.join(HERE, name + ".part")
    with open(partial, "wb") as handle:
        handle.write(content)
    os.replace(partial, os.path.join(HERE, name))


if __name__ == "__main__":
    main()
