from finn.fake import Logged


class InsertFIFO(Logged):
    def __init__(self, create_shallow_fifos=False, max_qsrl_depth=None, vivado_ram_style="auto"):
        assert vivado_ram_style in ("auto", "block", "distributed", "ultra")
        super().__init__(create_shallow_fifos=create_shallow_fifos, max_qsrl_depth=max_qsrl_depth)
