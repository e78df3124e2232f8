"""ONNX graphs of torch models: written, held against torch, quantised.

Other rooms may import `checked`, `quantize`, `shared_weights` and `torch_export`.
"""
