"""The Markdown tables, made from benchmarks/results/*.json."""
