"""The sub-commands of ``elasticdf``, one table; each file holds a group that belongs together."""

from __future__ import annotations

from elasticdf.commands.artifacts import INSPECT, INSTALL, LINT, LIST, REMOVE
from elasticdf.commands.building import BUILD, PACKAGE
from elasticdf.commands.command import Command
from elasticdf.commands.demo import DEMO
from elasticdf.commands.explore import EXPLORE
from elasticdf.commands.knowledge import BOARDS, DOCTOR, NETWORKS
from elasticdf.commands.models import CALIBRATE, ESTIMATE
from elasticdf.commands.planning import PARTITION, SOLVE
from elasticdf.commands.report import REPORT
from elasticdf.commands.running import MLPERF, RUN, SERVE
from elasticdf.commands.simulation import SIMULATE

COMMANDS: tuple[Command, ...] = (
    ESTIMATE,
    PARTITION,
    SOLVE,
    SIMULATE,
    REPORT,
    EXPLORE,
    BUILD,
    PACKAGE,
    INSPECT,
    LINT,
    INSTALL,
    LIST,
    REMOVE,
    RUN,
    SERVE,
    MLPERF,
    CALIBRATE,
    BOARDS,
    NETWORKS,
    DOCTOR,
    DEMO,
)
