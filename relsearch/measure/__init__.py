"""Runs and judges held against human labels, and the quality gate before a reranker ships."""
