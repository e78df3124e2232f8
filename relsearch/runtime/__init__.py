"""Running a graph fast on CPUs: tokenising, micro-batches, ONNX Runtime or OpenVINO."""
