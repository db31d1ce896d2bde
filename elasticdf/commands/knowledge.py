"""What is known here: boards, reference networks, and what this machine has."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import models
from elasticdf.commands.arguments import whole_number
from elasticdf.commands.command import Command, CommandResult
from elasticdf.hardware.load import board_names, load_board
from elasticdf.progress import Report
from elasticdf.records import encode
from elasticdf.runtime.doctor import examine
from elasticdf.table import table


def _no_arguments(parser: ArgumentParser) -> None:
    del parser


def _boards(options: Namespace, report: Report) -> CommandResult:
    del options, report
    boards = [encode(load_board(name)) for name in board_names()]
    rows = [
        (
            board["name"],
            board["part"],
            len(board["dies"]),
            *(sum(die["capacity"][name] for die in board["dies"]) for name in _COLUMNS),
            len(board["ports"]),
        )
        for board in boards
    ]
    text = table(("board", "part", "dies", *_COLUMNS, "ports"), rows)
    return CommandResult(document={"schema": "elasticdf.boards/1", "boards": boards}, text=text)


_COLUMNS = ("lut", "ff", "bram18", "uram", "dsp")


def _network_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    export = actions.add_parser("export", help="write one as a QONNX file")
    export.add_argument("name", metavar="NAME", help="as `elasticdf networks` lists it")
    export.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the file (default NAME.onnx)"
    )
    export.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="of the weights (default 0)"
    )


def _networks(options: Namespace, report: Report) -> CommandResult:
    if options.action == "export":
        report(f"building {options.name}")
        path = options.output or Path(f"{options.name}.onnx")
        models.export(options.name, path, options.seed)
        return CommandResult(document={"file": str(path)}, text=f"wrote {path}")
    networks = [network.to_json() for network in models.ZOO.values()]
    rows = [
        (
            network.name,
            network.title,
            network.task,
            f"w{network.weight_bits}a{network.activation_bits}",
            "x".join(map(str, network.input_shape)),
        )
        for network in models.ZOO.values()
    ]
    text = table(("name", "network", "task", "bits", "input"), rows)
    return CommandResult(
        document={"schema": "elasticdf.networks/1", "networks": networks}, text=text
    )


def _doctor(options: Namespace, report: Report) -> CommandResult:
    del options
    report("looking around")
    seen = examine()
    rows = [(f.topic, f.what, f.status.value, f.found, f.remedy) for f in seen.findings]
    return CommandResult(
        document=seen.to_json(),
        text=table(("for", "what", "status", "found", "what to do"), rows),
    )


BOARDS = Command(arguments=_no_arguments, run=_boards)
NETWORKS = Command(arguments=_network_arguments, run=_networks)
DOCTOR = Command(arguments=_no_arguments, run=_doctor)
