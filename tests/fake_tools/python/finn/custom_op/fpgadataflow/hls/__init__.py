from elasticdf.layers import KINDS
from finn.custom_op.fpgadataflow import HardwareOp

custom_op = {f"{family}_hls": HardwareOp for family in KINDS}
