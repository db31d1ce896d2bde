from finn.fake import Logged


class InsertFIFO(Logged):
    def __init__(self, create_shallow_fifos=False):
        super().__init__(create_shallow_fifos=create_shallow_fifos)
