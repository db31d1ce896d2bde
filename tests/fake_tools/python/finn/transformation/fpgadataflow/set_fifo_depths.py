from finn.fake import Logged


class InsertAndSetFIFODepths(Logged):
    def __init__(self, fpgapart, clk_ns):
        super().__init__(fpgapart, clk_ns)
