"""What labels are worth: `python -m benchmarks.rerankers.label_value`."""
