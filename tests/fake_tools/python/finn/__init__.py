"""A stand-in for FINN: checks and logs how it is called, and leaves plausible outputs.

Works with the real qonnx. Every call goes to the file FAKE_LOG as one JSON line. Only what emitted
scripts use exists; anything else is an ImportError, as it would be with the wrong FINN.
"""
