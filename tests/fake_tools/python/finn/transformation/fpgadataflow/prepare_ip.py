from finn.fake import Logged


class PrepareIP(Logged):
    """Generated code needs specialised ops with names."""

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
