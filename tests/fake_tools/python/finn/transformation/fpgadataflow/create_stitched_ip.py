import json
import os
import tempfile

from finn.fake import Logged


class CreateStitchedIP(Logged):
    """Names the external interfaces as FINN does, by the order of the graph's ends."""

    def __init__(self, fpgapart, clk_ns, ip_name="finn_design", vitis=False, signature=()):
        assert vitis, "a kernel for v++ is stitched for Vitis"
        assert not signature
        super().__init__(fpgapart, clk_ns, ip_name=ip_name, vitis=vitis)

    def work(self, model):
        dmas = [node for node in model.graph.node if node.op_type.startswith("IODMA")]
        directions = {a.s for node in dmas for a in node.attribute if a.name == "direction"}
        inputs = [] if b"in" in directions else model.graph.input
        outputs = [] if b"out" in directions else model.graph.output
        interfaces = {
            "s_axis": [f"s_axis_{i}" for i in range(len(inputs))],
            "m_axis": [f"m_axis_{i}" for i in range(len(outputs))],
            "aximm": ["m_axi_gmem0"] if dmas else [],
        }
        model.set_metadata_prop(
            "vivado_stitch_proj", tempfile.mkdtemp(dir=os.environ["FAKE_BUILD_DIR"])
        )
        model.set_metadata_prop("vivado_stitch_ifnames", json.dumps(interfaces))
