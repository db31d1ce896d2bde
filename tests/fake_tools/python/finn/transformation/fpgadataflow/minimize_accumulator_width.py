import os

from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged


class MinimizeAccumulatorWidth(Logged):
    """Narrows accumulators that leave their layer by a bit, if FAKE_NARROW asks for it."""

    def work(self, model):
        for node in model.graph.node:
            stated = {a.name: a.s if a.type == a.STRING else a.i for a in node.attribute}
            if stated.get("mem_mode") == b"external":
                assert stated["runtime_writeable_weights"] == 1, (
                    "FINN would trust the weights it has"
                )
        if "FAKE_NARROW" not in os.environ:
            return
        for node in model.graph.node:
            stated = {a.name: a.i for a in node.attribute}
            if stated.get("noActivation") != 1:
                continue
            assert stated.get("runtime_writeable_weights") != 1, "FINN would take the widest case"
            op = getCustomOp(node)
            kind = op.get_nodeattr("outputDataType")
            digits = kind.lstrip("UINT")
            narrow = kind.removesuffix(digits) + str(int(digits) - 1)
            op.set_nodeattr("outputDataType", narrow)
            op.set_nodeattr("accDataType", narrow)
