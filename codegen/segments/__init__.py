"""The integer arithmetic of a piece of the accelerator as a standard ONNX model."""

from codegen.segments.emit import boundary, segment_model, whole_model

__all__ = ["boundary", "segment_model", "whole_model"]
