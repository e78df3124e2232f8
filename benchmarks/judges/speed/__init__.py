"""How fast a judge labels and learns: `python -m benchmarks.judges.speed`."""
