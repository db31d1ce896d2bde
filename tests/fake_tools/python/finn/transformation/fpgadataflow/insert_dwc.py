from qonnx.custom_op.registry import getCustomOp

from finn.fake import Logged


class InsertDWC(Logged):
    """Only says where converters would go."""

    def __init__(self):
        super().__init__()

    def work(self, model):
        for node in model.graph.node:
            for tensor in node.output:
                consumer = model.find_consumer(tensor)
                if consumer is not None:
                    getCustomOp(consumer).get_instream_width(list(consumer.input).index(tensor))
