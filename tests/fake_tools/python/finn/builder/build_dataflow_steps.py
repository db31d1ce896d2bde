"""FINN's steps; the last of the front end hands out the graph in FAKE_FINN_GRAPH."""

import os

from qonnx.core.modelwrapper import ModelWrapper

from finn.fake import log


def _step(name):
    def run(model, config):
        log(step=name)
        if name == "step_create_dataflow_partition":
            return ModelWrapper(os.environ["FAKE_FINN_GRAPH"])
        return model

    return run


build_dataflow_step_lookup = {
    name: _step(name)
    for name in (
        "step_qonnx_to_finn",
        "step_tidy_up",
        "step_streamline",
        "step_convert_to_hw",
        "step_create_dataflow_partition",
        "step_specialize_layers",
    )
}
