"""The layer graph while it is being drawn: unspecialised layers, streams, parameters, host part.

Also holds what the rules of several operators share about placing a layer. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from elasticdf.errors import InternalError
from elasticdf.frontend.diagnose import blocked
from elasticdf.frontend.qonnx.host import HostPart, Quantiser
from elasticdf.frontend.qonnx.reading import Network, Op
from elasticdf.frontend.qonnx.values import Flow, Host, Reals, Value, Wholes
from elasticdf.ir import AttributeValue, DataType, Layer, Tensor

_IMAGE_CHANNELS = 3
_IMAGE_BITS = 8


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a channels-second shape as a stream has it: an image, channels last.

    >>> channels_last((1, 2, 100))
    (1, 100, 1, 2)
    """
    if len(shape) == 2:
        return shape
    height, width = (*shape[2:], 1)[:2]
    return (shape[0], height, width, shape[1])


def _rounded(datatype: DataType) -> Quantiser:
    """Return the arithmetic that leaves a type's values alone and rounds and clips others."""
    return Quantiser(
        scale=np.ones((), np.float32),
        zero_point=np.zeros((), np.float32),
        low=int(datatype.minimum),
        high=int(datatype.maximum),
        bipolar=datatype.name == "BIPOLAR",
    )


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] == _IMAGE_CHANNELS


class Sketch:
    """Collects layers in the order of the operators that asked for them.

    Attributes:
        network: What is being lowered.
        quirks: Whether to follow FINN's bugs.
        host: What the host computes before the accelerator.
        after: What it computes behind the accelerator besides pending steps.
        layers: By name, producers first.
        tensors: Streams and parameters by name.
        inputs: Names of the accelerator's input streams.
        notes: Assumptions made, one sentence each.
        entry: The host tensor that enters the accelerator and how it becomes codes.
        byte_offset: What the host adds to the codes of an image so that they are bytes.
    """

    def __init__(self, network: Network, *, quirks: bool = False) -> None:
        self.network = network
        self.quirks = quirks
        self.host = HostPart(network)
        self.after = HostPart(network)
        self.layers: dict[str, Layer] = {}
        self.tensors: dict[str, Tensor] = {}
        self.inputs: list[str] = []
        self.notes: list[str] = []
        self.entry: tuple[Host, Quantiser] | None = None
        self.byte_offset = 0
        self._image: Flow | None = None
        self._producers: dict[str, str] = {}
        self._depthwise = any(
            op.type == "Conv" and int(op.attributes.get("group", 1)) > 1 for op in network.ops
        )

    def enter(self, op: Op, host: Host, quantiser: Quantiser) -> tuple[int, ...]:
        """End the host's part at a quantiser and return the input stream's shape.

        Raises:
            UserError: Another quantiser has done so already.
        """
        if self.entry is not None:
            raise blocked(
                op.place,
                "the network quantises its input more than once",
                "quantise the input once and branch behind that",
            )
        self.entry = (host, quantiser)
        return channels_last(host.shape)

    def enter_codes(self, host: Host, datatype: DataType) -> Flow:
        """Take a host tensor as whole numbers of a type already and return its stream."""
        self.entry = (host, _rounded(datatype))
        stream = self.input_stream(channels_last(host.shape), datatype)
        return Flow(stream=stream, shape=host.shape, datatype=datatype)

    def take_image(self, value: Value) -> bool:
        """Return whether the value is the network's input and an image; it then enters as bytes."""
        if not isinstance(value, Host) or value.name != self.network.input:
            return False
        if self._image is None:
            if not _is_image(value.shape) or self.entry is not None:
                return False
            self._image = self.enter_codes(value, DataType.parse("UINT8"))
            self.notes.append(
                f"Input {value.name} is not quantised; it is taken as an image of whole numbers "
                "from 0 to 255."
            )
        return True

    @property
    def image(self) -> Flow:
        """The stream of a network that reads its image unquantised."""
        if self._image is None:
            raise InternalError("no image was taken")
        return self._image

    def eight_bit_image(self, host: Host, datatype: DataType) -> bool:
        """Return whether a quantised input is an 8-bit colour image."""
        return _is_image(host.shape) and datatype.bits == _IMAGE_BITS

    def vector_shape(self, flow: Flow) -> tuple[int, ...]:
        """Return FINN's ``numInputVectors`` of a dense layer on a flattened stream.

        FINN's flow for depthwise networks moves the flatten behind the last layer.
        """
        shape = self.tensors[flow.stream].shape
        keeps = self._depthwise and len(shape) == 4 and shape[1:3] == (1, 1)
        return (1, 1, 1) if keeps else (1,)

    def input_stream(self, shape: tuple[int, ...], datatype: DataType) -> str:
        """Add an input stream of the accelerator (channels last) and return its name."""
        name = f"input{len(self.inputs)}"
        self.inputs.append(name)
        self.tensors[name] = Tensor(name=name, shape=shape, datatype=datatype)
        return name

    def parameter(self, values: NDArray[np.generic], datatype: DataType) -> str:
        """Add a parameter tensor and return its name."""
        name = f"param{len(self.tensors)}"
        self.tensors[name] = Tensor(name=name, shape=values.shape, datatype=datatype, values=values)
        return name

    def layer(
        self,
        op_type: str,
        inputs: tuple[str, ...],
        shape: tuple[int, ...],
        datatype: DataType,
        attributes: Mapping[str, AttributeValue],
    ) -> str:
        """Add a layer with one output stream and return the stream's name."""
        name = f"{op_type}.{len(self.layers)}"
        output = f"{name}.out"
        self.tensors[output] = Tensor(name=output, shape=shape, datatype=datatype)
        self.layers[name] = Layer(
            name=name, op_type=op_type, attributes=attributes, inputs=inputs, outputs=(output,)
        )
        self._producers[output] = name
        return output

    def producer(self, stream: str) -> Layer | None:
        """Return the layer that produces a stream, or None for an input."""
        name = self._producers.get(stream)
        return None if name is None else self.layers[name]

    def replace_layer(self, layer: Layer) -> None:
        """Put a changed layer in the place of the one of that name."""
        self.layers[layer.name] = layer

    def set_values(self, tensor: str, values: Wholes | Reals, datatype: DataType) -> None:
        """Change a parameter's content and type."""
        self.tensors[tensor] = replace(
            self.tensors[tensor], values=values, shape=values.shape, datatype=datatype
        )

    def set_datatype(self, tensor: str, datatype: DataType) -> None:
        """Change a stream's data type."""
        self.tensors[tensor] = replace(self.tensors[tensor], datatype=datatype)
