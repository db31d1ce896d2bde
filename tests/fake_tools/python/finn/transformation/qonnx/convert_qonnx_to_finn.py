from finn.fake import Logged


class ConvertQONNXtoFINN(Logged):
    pass
