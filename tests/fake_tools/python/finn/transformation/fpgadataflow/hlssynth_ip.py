from finn.fake import Logged


class HLSSynthIP(Logged):
    pass
