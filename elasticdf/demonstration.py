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
from elasticdf.progress import Report
from elasticdf.runtime.run import RunReport
from partitioner.plan import Mode, Plan

MODEL = "zoo:mobilenetv1-w4a4"
TARGET = "2xu280"
_FRAMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What the demonstration did."""

    plan: Plan
    project: Path
    packaged: Packaged
    result: RunReport

    def to_text(self) -> str:
        """Return about a dozen lines that need no prior knowledge."""
        plan = self.plan
        where = [
            f"  board {board.id} ({board.board}): {_layers_on(plan, board.id)}"
            for board in plan.boards
        ]
        layers = len({assignment.layer for assignment in plan.assignments})
        proof = plan.certificate.throughput
        return "\n".join(
            (
                f"network      {plan.network}: {layers} hardware layers",
                f"plan         {plan.replicas} copies over {len(plan.boards)} boards at "
                f"{plan.clock_hz / 1e6:.0f} MHz: {plan.frames_per_second:.0f} frames per second",
                *where,
                f"crossings    {len(plan.crossings)} streams change die or board",
                f"certificate  {plan.certificate.outcome}: no plan can exceed "
                f"{proof.bound:.0f} frames per second (gap {proof.gap:.1%})",
                f"project      {self.project}",
                f"artifact     {self.packaged.folder}",
                self.result.to_text(),
            )
        )


def demonstrate(folder: Path, report: Report) -> Demonstration:
    """Run the main job into a folder.

    Raises:
        InternalError: The boards and the whole network disagree.
    """
    project = folder / "project"
    plan = flow.partition(
        flow.PartitionOptions(model=MODEL, target=TARGET, output=project, mode=Mode.TRANSPARENT),
        report,
    ).plan
    flow.build_emulated(project, report)
    packaged = flow.package(flow.PackageOptions(directory=project))
    inputs = folder / "images.npy"
    _write_images(inputs)
    result = flow.run(
        packaged.folder, inputs=inputs, output=folder / "labels.npy", check=True, report=report
    )
    return Demonstration(plan=plan, project=project, packaged=packaged, result=result)


def _layers_on(plan: Plan, board: int) -> str:
    parts = []
    for die in next(entry.dies for entry in plan.boards if entry.id == board):
        count = sum((a.board, a.die) == (board, die) for a in plan.assignments)
        parts.append(f"{die} {count} layers")
    return ", ".join(parts)


def _write_images(path: Path) -> None:
    name = MODEL.removeprefix(flow.ZOO)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.concatenate([models.sample(name, seed) for seed in range(_FRAMES)]))
