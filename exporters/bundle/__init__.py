"""Bundles: ONNX export, quantisation, parity gates, and the choice of what ships."""
