from finn.fake import Logged


class MinimizeAccumulatorWidth(Logged):
    pass
