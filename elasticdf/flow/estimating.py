"""What a network costs layer by layer, and how to learn costs from one's own builds."""

from __future__ import annotations

from elasticdf import folding
from elasticdf.costs.calibrate import Calibration
from elasticdf.costs.calibrate import calibrate as calibrate_costs
from elasticdf.costs.network import NetworkEstimate, estimate_network
from elasticdf.costs.profile import load_profile
from elasticdf.costs.profile_file import to_toml
from elasticdf.costs.reports import built_model, read_report
from elasticdf.errors import UserError
from elasticdf.files import write_file
from elasticdf.hardware.load import load_board
from elasticdf.layers.kind import fpga_part
from elasticdf.networks import fold_by_file, load_network
from elasticdf.options import CalibrateOptions, EstimateOptions
from elasticdf.progress import Report


def estimate(options: EstimateOptions, report: Report) -> NetworkEstimate:
    """Return cycles and resources of every layer.

    Raises:
        UserError: The network, board, profile or folding cannot be used.
    """
    profile = load_profile(options.costs)
    board = load_board(options.board)
    report(f"reading {options.model}")
    part = fpga_part(board.part)
    graph = load_network(options.model, quirks=profile.exactly_finn, part=part).graph
    if options.folding is not None:
        graph = folding.annotate_cycles(fold_by_file(graph, options.folding))
    elif options.frames_per_second is not None:
        report("folding")
        graph = folding.fold_for_cycles(graph, _cycles_per_frame(options))
    report("estimating")
    return estimate_network(
        graph,
        board=board.name,
        clock_hz=options.clock_hz,
        profile=profile,
        part=part,
    )


def _cycles_per_frame(options: EstimateOptions) -> int:
    rate = options.frames_per_second or 1
    if rate > options.clock_hz:
        raise UserError(
            f"{rate:g} frames per second are more than the {options.clock_hz} cycles that a second "
            "has; ask for fewer, or for a faster --clock"
        )
    return int(options.clock_hz / rate)


def calibrate(options: CalibrateOptions) -> Calibration:
    """Correct a cost profile by what builds took and write the new one.

    Raises:
        UserError: A report cannot be read or does not belong to the model.
    """
    part = fpga_part(load_board(options.board).part)
    base = load_profile(options.base)
    builds = []
    for path in options.reports:
        model = options.model or str(built_model(path))
        graph = fold_by_file(load_network(model, part=part).graph, options.folding)
        builds.append((graph, read_report(path)))
    result = calibrate_costs(
        builds,
        base=base,
        part=part,
        name=options.output.stem,
        origin={"source": ", ".join(path.name for path in options.reports), "part": part.name},
    )
    write_file(options.output, to_toml(result.profile, base).encode())
    return result
