"""FINN's hardware ops, as far as scripts ask them: attributes and stream widths.

The facts come from elasticdf's layer kinds, which are proven against FINN elsewhere.
"""

from qonnx.core.datatype import DataType
from qonnx.custom_op.base import CustomOp

from elasticdf.frontend.finn import _layer
from elasticdf.layers import KINDS, attributes_of, kind_of, with_defaults

_TYPES = {"int": "i", "ints": "ints", "text": "s"}


class HardwareOp(CustomOp):
    def get_nodeattr_types(self):
        types = {
            name: (_TYPES[a.type], a.default is None, a.default, set(a.allowed) or None)
            if a.allowed
            else (_TYPES[a.type], a.default is None, a.default)
            for name, a in attributes_of(self._described()).items()
        }
        return types

    def _described(self):
        return _layer(self.onnx_node, 0)

    def _ports(self):
        layer = with_defaults(self._described())
        return kind_of(layer).ports(layer)

    def get_instream_width(self, ind=0):
        return self._ports().input_bits[ind]

    def get_outstream_width(self, ind=0):
        return self._ports().output_bits[ind]

    def make_weight_file(self, weights, weight_file_mode, weight_file_name):
        assert weight_file_mode == "decoupled_runtime"
        with open(weight_file_name, "w") as handle:
            handle.writelines(f"{int(value) & 0xFFFFFFFF:08x}\n" for value in weights.flatten())

    def make_shape_compatible_op(self, model):
        raise NotImplementedError

    def infer_node_datatype(self, model):
        known = self.get_nodeattr_types()
        if "outputDataType" in known:
            datatype = DataType[self.get_nodeattr("outputDataType")]
            model.set_tensor_datatype(self.onnx_node.output[0], datatype)

    def execute_node(self, context, graph):
        raise NotImplementedError

    def verify_node(self):
        raise NotImplementedError


custom_op = dict.fromkeys(KINDS, HardwareOp)
