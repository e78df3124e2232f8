"""Judges: graded, calibrated relevance of query-document pairs."""
