"""The integer arithmetic of a piece of the accelerator as a standard ONNX model."""
