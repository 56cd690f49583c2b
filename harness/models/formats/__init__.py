"""An exported model in the formats of other programs, each checked against ``harness predict`` while it is written.

Begin with ``writing``. ``whole`` has the one module that ONNX and TorchScript files are made from.
"""
