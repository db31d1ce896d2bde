"""The reference networks: builders of real QONNX files, by name.

Weights are random, drawn from a seed on the quantisation grid; nothing here was trained, so the
networks show structure, cost and bit-exactness, not accuracy.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
from numpy.typing import NDArray

from elasticdf.errors import UserError
from elasticdf.files import write_file
from models.cnv import cnv
from models.mlp import digits, keywords
from models.mobilenet import mobilenet_v1
from models.resnet import resnet18_cifar, resnet50
from models.samples import features, pixels, shades


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceNetwork:
    """One network of the zoo.

    Attributes:
        name: Lower-case letters, digits and dashes.
        title: For people.
        task: What it is for.
        weight_bits: Of most weights; 1 is bipolar.
        activation_bits: Of most activations; 1 is bipolar.
        input_shape: Batch first, channels second.
        draw: Builds the model from the name of its graph and a seed.
        sample: Makes an input from the shape and a seed.
    """

    name: str
    title: str
    task: str
    weight_bits: int
    activation_bits: int
    input_shape: tuple[int, ...]
    draw: Callable[[str, int], onnx.ModelProto]
    sample: Callable[[tuple[int, ...], int], NDArray[np.float32]]

    def to_json(self) -> dict[str, str | int | list[int]]:
        """Return the JSON form of the record."""
        return {
            "name": self.name,
            "title": self.title,
            "task": self.task,
            "weight_bits": self.weight_bits,
            "activation_bits": self.activation_bits,
            "input_shape": list(self.input_shape),
        }


_NETWORKS = (
    *(
        ReferenceNetwork(
            name=f"{family}-w{weight_bits}a{activation_bits}",
            title=f"{family.upper()}, an MLP with three hidden layers of {hidden}",
            task="handwritten digits",
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            input_shape=(1, 1, 28, 28),
            draw=partial(
                digits, hidden=hidden, weight_bits=weight_bits, activation_bits=activation_bits
            ),
            sample=shades,
        )
        for family, hidden in (("tfc", 64), ("sfc", 256), ("lfc", 1024))
        for weight_bits, activation_bits in ((1, 1), (1, 2), (2, 2))
    ),
    *(
        ReferenceNetwork(
            name=f"cnv-w{weight_bits}a{activation_bits}",
            title="CNV, six convolutions and three fully connected layers",
            task="small colour images, 10 classes",
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            input_shape=(1, 3, 32, 32),
            draw=partial(cnv, weight_bits=weight_bits, activation_bits=activation_bits),
            sample=shades,
        )
        for weight_bits, activation_bits in ((1, 1), (1, 2), (2, 2))
    ),
    ReferenceNetwork(
        name="kws-mlp-w3a3",
        title="MLP with three hidden layers of 256",
        task="spoken keywords, 12 classes",
        weight_bits=3,
        activation_bits=3,
        input_shape=(1, 1, 10, 49),
        draw=keywords,
        sample=features,
    ),
    ReferenceNetwork(
        name="mobilenetv1-w4a4",
        title="MobileNetV1",
        task="photographs, 1000 classes",
        weight_bits=4,
        activation_bits=4,
        input_shape=(1, 3, 224, 224),
        draw=partial(mobilenet_v1, bits=4),
        sample=pixels,
    ),
    *(
        ReferenceNetwork(
            name=f"resnet18-cifar-w{bits}a{bits}",
            title="ResNet-18 for small images",
            task="small colour images, 10 classes",
            weight_bits=bits,
            activation_bits=bits,
            input_shape=(1, 3, 32, 32),
            draw=partial(resnet18_cifar, bits=bits),
            sample=pixels,
        )
        for bits in (2, 4)
    ),
    *(
        ReferenceNetwork(
            name=f"resnet50-w{weight_bits}a{activation_bits}",
            title="ResNet-50 with 4-bit joins",
            task="photographs, 1000 classes",
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            input_shape=(1, 3, 224, 224),
            draw=partial(resnet50, weight_bits=weight_bits, activation_bits=activation_bits),
            sample=pixels,
        )
        for weight_bits, activation_bits in ((1, 2), (4, 4))
    ),
)

ZOO: Mapping[str, ReferenceNetwork] = MappingProxyType(
    {network.name: network for network in _NETWORKS}
)
"""Every reference network by name, small ones first."""


def find(name: str) -> ReferenceNetwork:
    """Return the reference network of that name.

    Raises:
        UserError: There is none.
    """
    if name in ZOO:
        return ZOO[name]
    close = difflib.get_close_matches(name, ZOO, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(
        f"no reference network is called {name!r}; {hint}"
        f"the reference networks are {', '.join(ZOO)}"
    )


def build(name: str, seed: int = 0) -> onnx.ModelProto:
    """Return a reference network as a QONNX model; the same seed gives the same bytes.

    Raises:
        UserError: No network has that name, or the seed is negative.
    """
    network = find(name)
    return network.draw(name.replace("-", "_"), _checked(seed))


def sample(name: str, seed: int = 0) -> NDArray[np.float32]:
    """Return an input such as a reference network's dataset would give.

    Raises:
        UserError: No network has that name, or the seed is negative.
    """
    network = find(name)
    return network.sample(network.input_shape, _checked(seed))


def _checked(seed: int) -> int:
    if seed < 0:
        raise UserError(f"seed {seed} is negative; take 0 or any whole number above it")
    return seed


def export(name: str, path: str | Path, seed: int = 0) -> None:
    """Write a reference network to a file; on failure nothing is left behind.

    Args:
        name: Of the network.
        path: Of the file; replaced if it exists.
        seed: Of the weights.

    Raises:
        UserError: No network has that name, the seed is negative, or the file cannot be written.
    """
    write_file(Path(path), build(name, seed).SerializeToString(deterministic=True))
