"""The sub-commands of ``elasticdf``, one table; each file holds a group that belongs together.

A command's file is imported when the command is called, so that ``--help`` and ``list`` need not
wait for solvers and simulators.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, cast

from elasticdf.commands.command import Command
from elasticdf.interrupt import leaving


class Entry(NamedTuple):
    """A sub-command before its file is imported.

    Attributes:
        name: As typed; in capitals it is the `Command` in its file.
        module: That file.
        summary: One line for ``elasticdf --help``.
    """

    name: str
    module: str
    summary: str

    def load(self) -> Command:
        """Import the file and return the command."""
        with leaving():
            module = import_module(f"{__name__}.{self.module}")
        return cast(Command, getattr(module, self.name.upper()))


COMMANDS = (
    Entry("estimate", "models", "cycles and resources of every layer"),
    Entry("partition", "planning", "decide folding and placement, and write the build project"),
    Entry("solve", "planning", "solve a saved problem again"),
    Entry(
        "simulate",
        "simulation",
        "interval, latency, FIFO depths and deadlocks of a project or network",
    ),
    Entry(
        "report", "report", "draw a page that shows a plan; it needs no other file and no network"
    ),
    Entry("explore", "explore", "plan a network over many targets, modes and clocks, and compare"),
    Entry("build", "building", "emulation binaries for every board (real ones: make -C DIR)"),
    Entry("package", "building", "pack the binaries into one artifact"),
    Entry("inspect", "artifacts", "what is in a plan, a binary or an artifact"),
    Entry("lint", "artifacts", "would the loader accept this artifact, and would it run"),
    Entry("install", "artifacts", "lay an artifact into a local repository"),
    Entry("list", "artifacts", "the artifacts of a local repository"),
    Entry("remove", "artifacts", "take an artifact out of a local repository"),
    Entry("run", "running", "run an artifact on emulated boards"),
    Entry("serve", "running", "serve artifacts to the orchestrator's own client"),
    Entry("mlperf", "running", "MLPerf LoadGen against an artifact"),
    Entry("calibrate", "models", "fit a cost profile to your own synthesis reports"),
    Entry("boards", "knowledge", "the boards that are known"),
    Entry("networks", "knowledge", "the reference networks; `networks export NAME` writes one"),
    Entry("doctor", "knowledge", "what this machine has and lacks for real boards"),
    Entry("demo", "demo", "partition, build, pack and run a real network on two emulated boards"),
)
