"""What all stand-ins share: the log, the base transformation, the form of a fake .xo."""

import json
import os

from qonnx.transformation.base import Transformation


def log(**entry):
    with open(os.environ["FAKE_LOG"], "a") as handle:
        handle.write(json.dumps(entry, sort_keys=True) + "\n")


class Logged(Transformation):
    """Logs its name, arguments and the graph it is applied to; subclasses do the rest."""

    def __init__(self, *arguments, **options):
        super().__init__()
        self.arguments, self.options = arguments, options

    def apply(self, model):
        log(
            finn=type(self).__name__,
            arguments=list(self.arguments),
            options=self.options,
            layers=[node.name for node in model.graph.node],
            **self.details(model),
        )
        self.work(model)
        return model, False

    def details(self, model):
        return {}

    def work(self, model):
        pass


def write_xo(path, kernel, inputs, outputs, memory=(), control=None):
    """Write a fake kernel object: what the fake v++ needs to check the wiring."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    document = {
        "kernel": kernel,
        "inputs": sorted(inputs),
        "outputs": sorted(outputs),
        "memory": sorted(memory),
        "control": control,
    }
    with open(path, "w") as handle:
        json.dump(document, handle)
