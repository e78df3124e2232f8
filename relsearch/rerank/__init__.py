"""Rerankers: training, scoring and the bundle they ship in."""
