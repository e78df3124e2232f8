"""Which labels next: `python -m benchmarks.rerankers.next_labels`."""
