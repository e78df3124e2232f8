"""Tuned judges as ONNX graphs, which need neither torch nor a model hub.

Inner to `judge`; `exporters.bundle.judge` writes what is opened here.
"""
