"""How fast a reranker is: `python -m benchmarks.rerankers.speed`."""
