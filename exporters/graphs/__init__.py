"""ONNX graphs of torch models: written, compared with torch, quantised.

Other rooms may import `checked`, `quantize`, `shared_weights` and `torch_export`.
"""
