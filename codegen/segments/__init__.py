"""The integer arithmetic of a piece of the accelerator as a standard ONNX model."""

from codegen.segments.emit import board_model, boundary, segment_model, whole_model

__all__ = ["board_model", "boundary", "segment_model", "whole_model"]
