"""The main job on a real network, start to end: what ``make demo`` shows.

Uses the same functions as the commands; adds only the choice of network and boards, and the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import models
from codegen.bundle.pack import Packaged
from elasticdf import flow
from elasticdf.networks import ZOO
from elasticdf.options import PackageOptions, PartitionOptions
from elasticdf.progress import Report
from elasticdf.runtime.run import RunReport
from partitioner.plan import Mode, Plan

MODEL = "zoo:mobilenetv1-w4a4"
TARGET = "2xu280"
CUT = (("ConvolutionInputGenerator_rtl_0", 0, None), ("VVAU_hls_6", 1, None))
"""The first layer on board 0, one from the middle on board 1: the halves talk over the cable."""

_FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One plan, taken all the way to a checked run."""

    plan: Plan
    project: Path
    packaged: Packaged
    result: RunReport

    def to_text(self) -> str:
        """Return a few lines that need no prior knowledge."""
        plan = self.plan
        proof = plan.certificate.throughput
        links = sum(link.load_bits_per_second for link in plan.links)
        return "\n".join(
            (
                f"plan         {plan.replicas} x the network over {len(plan.boards)} boards, mode "
                f"{plan.mode}, {plan.clock_hz / 1e6:.0f} MHz: "
                f"{plan.frames_per_second:.0f} frames per second",
                *(
                    f"  board {board.id}    {board.board}: {_layers_on(plan, board.id)}"
                    for board in plan.boards
                ),
                f"crossings    {len(plan.crossings)} streams change die or board, "
                f"{links / 1e9:.2f} Gb/s on the cable",
                f"certificate  {plan.certificate.outcome}: no plan can exceed "
                f"{proof.bound:.0f} frames per second (gap {proof.gap:.1%})",
                f"project      {self.project}",
                f"artifact     {self.packaged.folder}",
                f"run          {self.result.to_text()}",
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """The fastest plan, and one that cuts a single copy over the cable."""

    fastest: Shown
    cut: Shown

    def to_text(self) -> str:
        """Return what was done, for a stranger."""
        plan = self.fastest.plan
        layers = len({assignment.layer for assignment in plan.assignments})
        return "\n".join(
            (
                f"network      {plan.network}: {layers} hardware layers",
                "",
                "the fastest plan for two boards",
                self.fastest.to_text(),
                "",
                "one copy, cut between the boards",
                self.cut.to_text(),
            )
        )


def demonstrate(folder: Path, report: Report) -> Demonstration:
    """Run the main job into a folder, twice.

    Raises:
        InternalError: The boards and the whole network disagree.
    """
    name = MODEL.removeprefix(ZOO)
    inputs = folder / "images.npy"
    inputs.parent.mkdir(parents=True, exist_ok=True)
    np.save(inputs, np.concatenate([models.sample(name, seed) for seed in range(_FRAMES)]))
    fastest = PartitionOptions(model=MODEL, target=TARGET, output=folder / "fastest")
    cut = PartitionOptions(
        model=MODEL,
        target=TARGET,
        output=folder / "cut",
        mode=Mode.HARDWARE,
        replicas=1,
        anchors=CUT,
    )
    return Demonstration(fastest=_show(fastest, inputs, report), cut=_show(cut, inputs, report))


def _show(options: PartitionOptions, inputs: Path, report: Report) -> Shown:
    project = options.output
    plan = flow.partition(options, report).plan
    flow.build_emulated(project, report)
    packaged = flow.package(PackageOptions(directory=project))
    result = flow.run(
        packaged.folder, inputs=inputs, output=project / "labels.npy", check=True, report=report
    )
    return Shown(plan=plan, project=project, packaged=packaged, result=result)


def _layers_on(plan: Plan, board: int) -> str:
    dies = next(entry.dies for entry in plan.boards if entry.id == board)
    counts = {die: sum((a.board, a.die) == (board, die) for a in plan.assignments) for die in dies}
    return ", ".join(f"{die} {count} layers" for die, count in counts.items())
