"""The whole story: every command is one function here, and only here stages meet.

Functions take plain values or a frozen options record, and return records. Refuses to decide
anything: decisions live in the stages.
"""

from elasticdf.flow.building import build_emulated, package
from elasticdf.flow.estimating import calibrate, estimate
from elasticdf.flow.planning import Partitioned, partition, plan_counted, settle_counted, solve
from elasticdf.flow.reporting import report
from elasticdf.flow.running import mlperf, run
from elasticdf.flow.simulating import simulate

__all__ = [
    "Partitioned",
    "build_emulated",
    "calibrate",
    "estimate",
    "mlperf",
    "package",
    "partition",
    "plan_counted",
    "report",
    "run",
    "settle_counted",
    "simulate",
    "solve",
]
