from finn.fake import Logged


class HLSSynthIP(Logged):
    def __init__(self, num_workers=None):
        super().__init__()
