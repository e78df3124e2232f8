"""Runs and judges measured against human labels, and the quality gate before a reranker ships.

Other rooms import `evaluate` (runs), `agreement` and `reliability` (judges), `quality_gate`, and `query_values` (one
value per query); `plot` draws what these return.
"""
