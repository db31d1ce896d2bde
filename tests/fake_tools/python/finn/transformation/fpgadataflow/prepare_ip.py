from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged


def _check_external(model, node):
    """FINN reads the values of weights that come from outside, to see how products are packed."""
    stated = {a.name: a.s.decode() for a in node.attribute if a.type == a.STRING}
    if stated.get("mem_mode") != "external":
        return
    values = model.get_initializer(node.input[1])
    assert values is not None, f"{node.name} lacks weights"
    least = DataType[stated["weightDataType"]].min()
    assert values.min() == least, f"{node.name} would be packed for narrow weights"


class PrepareIP(Logged):
    """Generated code needs specialised ops with names and every attribute FINN requires."""

    def __init__(self, fpgapart, clk):
        assert isinstance(clk, float)
        super().__init__(fpgapart, clk)

    def details(self, model):
        types = [a.s for n in model.graph.node for a in n.attribute if a.name == "weightDataType"]
        return {"weights": [kind.decode() for kind in types]}

    def work(self, model):
        names = [node.name for node in model.graph.node]
        assert all(names), "a node without a name"
        assert len(set(names)) == len(names), "node names are not unique"
        for node in model.graph.node:
            _check_external(model, node)
            assert node.op_type.endswith(("_hls", "_rtl")), f"{node.name} is not specialised"
            op = getCustomOp(node)
            for name, (_, required, *_) in op.get_nodeattr_types().items():
                stated = any(a.name == name for a in node.attribute)
                assert stated or not required, f"{node.name} lacks {name}"
                if stated:
                    op.get_nodeattr(name)
