from finn.fake import Logged


class InsertAndSetFIFODepths(Logged):
    """Asserts what FINN asserts: specialised layers, no FIFOs yet."""

    def __init__(
        self,
        fpgapart,
        clk_ns=10.0,
        max_qsrl_depth=256,
        max_depth=None,
        swg_exception=False,
        vivado_ram_style="auto",
        fifosim_input_throttle=True,
    ):
        super().__init__(fpgapart, clk_ns)

    def work(self, model):
        for node in model.graph.node:
            assert node.op_type.endswith(("_hls", "_rtl")), f"Found non-fpgadataflow node: {node}"
            assert not node.op_type.startswith("StreamingFIFO"), "Found existing StreamingFIFO node"


class SplitLargeFIFOs(Logged):
    def __init__(self, max_qsrl_depth=256, max_vivado_depth=32768):
        super().__init__(max_qsrl_depth, max_vivado_depth)


class RemoveShallowFIFOs(Logged):
    def __init__(self, shallow_threshold=0):
        super().__init__(shallow_threshold)
