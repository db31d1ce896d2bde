from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged


class MinimizeWeightBitWidth(Logged):
    """Widens BIPOLAR weights to INT2, FINN's known error F1."""

    def work(self, model):
        for node in model.graph.node:
            if any(a.name == "weightDataType" and a.s == b"BIPOLAR" for a in node.attribute):
                getCustomOp(node).set_nodeattr("weightDataType", "INT2")
                model.set_tensor_datatype(node.input[1], DataType["INT2"])
