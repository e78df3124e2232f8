"""Writers of what other tools read: ONNX bundles, TREC files, engine configurations."""
