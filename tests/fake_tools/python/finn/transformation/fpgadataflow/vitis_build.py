import json
import os

from finn.fake import Logged, write_xo


class CreateVitisXO(Logged):
    def __init__(self, ip_name="finn_design"):
        super().__init__(ip_name)

    def work(self, model):
        for name in ("VITIS_PATH", "PLATFORM_REPO_PATHS", "XILINX_XRT"):
            assert name in os.environ, f"{name} must be set for Vitis"
        writable = [
            node.name
            for node in model.graph.node
            for a in node.attribute
            if a.name == "runtime_writeable_weights" and a.i == 1
        ]
        assert len(writable) <= 1, "CreateVitisXO supports max 1 AXI lite interface"
        interfaces = json.loads(model.get_metadata_prop("vivado_stitch_ifnames"))
        path = os.path.join(
            model.get_metadata_prop("vivado_stitch_proj"), self.arguments[0] + ".xo"
        )
        write_xo(
            path,
            self.arguments[0],
            interfaces["s_axis"],
            interfaces["m_axis"],
            interfaces["aximm"],
            control="s_axilite_0" if writable else None,
        )
        model.set_metadata_prop("vitis_xo", path)
