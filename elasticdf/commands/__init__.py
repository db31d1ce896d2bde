"""The sub-commands of ``elasticdf``, one table; each file holds a group that belongs together."""

from __future__ import annotations

from elasticdf.commands.artifacts import INSPECT, INSTALL, LINT, LIST, REMOVE
from elasticdf.commands.building import BUILD, PACKAGE
from elasticdf.commands.command import Command
from elasticdf.commands.demo import DEMO
from elasticdf.commands.knowledge import BOARDS, NETWORKS
from elasticdf.commands.models import ESTIMATE
from elasticdf.commands.planning import PARTITION
from elasticdf.commands.running import RUN

COMMANDS: tuple[Command, ...] = (
    ESTIMATE,
    PARTITION,
    BUILD,
    PACKAGE,
    INSPECT,
    LINT,
    INSTALL,
    LIST,
    REMOVE,
    RUN,
    BOARDS,
    NETWORKS,
    DEMO,
)
