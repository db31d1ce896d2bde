from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged

DOMAIN = "finn.custom_op.fpgadataflow"


class SpecializeLayers(Logged):
    """Renames abstract ops as FINN does, and drops their names as FINN may."""

    def __init__(self, fpgapart):
        super().__init__(fpgapart)

    def work(self, model):
        for node in model.graph.node:
            if node.domain != DOMAIN:
                continue
            style = getCustomOp(node).get_nodeattr("preferred_impl_style") or "hls"
            node.op_type = f"{node.op_type}_{style}"
            node.domain = f"{DOMAIN}.{style}"
            node.name = ""
