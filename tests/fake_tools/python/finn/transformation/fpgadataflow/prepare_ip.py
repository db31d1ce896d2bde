from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged


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
            assert node.op_type.endswith(("_hls", "_rtl")), f"{node.name} is not specialised"
            op = getCustomOp(node)
            for name, (_, required, *_) in op.get_nodeattr_types().items():
                stated = any(a.name == name for a in node.attribute)
                assert stated or not required, f"{node.name} lacks {name}"
                if stated:
                    op.get_nodeattr(name)
