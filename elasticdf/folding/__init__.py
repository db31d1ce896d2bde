"""How much hardware each layer gets: legal foldings, FINN's choice, and the Pareto front.

A folding is a set of attribute changes (PE, SIMD, parallel_window). `fold_for_cycles` is FINN's own
heuristic; `options` offers, per layer, everything worth considering for a cycle target. Options of
different layers are independent: any combination is legal in FINN. Where FINN demands equal
parallelism (a depthwise window generator and the VVAU or Pool it feeds) the pair's folding is fixed
here, and its options differ in implementation variants only. Different stream widths elsewhere are
bridged by width converters, which FINN inserts.
"""

from elasticdf.folding.coupling import check_couplings, coupled
from elasticdf.folding.files import apply_folding, folding_document
from elasticdf.folding.front import LayerOption, pareto_front, thinned
from elasticdf.folding.heuristic import annotate_cycles, fold_for_cycles
from elasticdf.folding.options import MAX_OPTIONS, cycle_targets, fastest_cycles, options

__all__ = [
    "MAX_OPTIONS",
    "LayerOption",
    "annotate_cycles",
    "apply_folding",
    "check_couplings",
    "coupled",
    "cycle_targets",
    "fastest_cycles",
    "fold_for_cycles",
    "folding_document",
    "options",
    "pareto_front",
    "thinned",
]
