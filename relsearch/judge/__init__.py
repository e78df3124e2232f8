"""Judges: graded, calibrated relevance of query-document pairs.

Other rooms import `registry` (any judge by its name), `store` (labels kept by content), `judge_base` (to write a
judge), `retrieval_features`, `self_training`, `judge_card`, `fingerprint` and `tune`; the rest is inner.
"""
