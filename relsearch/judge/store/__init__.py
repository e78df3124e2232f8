"""Judgments kept on disk by content, so that no pair is judged twice."""
