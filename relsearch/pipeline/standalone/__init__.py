"""Verbs that need no pipeline: fetch, grade, precompute, review."""
