"""Cross-encoders: query and document read together, in torch and in ONNX."""
