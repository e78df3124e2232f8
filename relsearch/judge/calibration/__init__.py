"""From a model's score to a distribution over grades: the head, several columns as one score, thresholds.

Inner to `judge`: no other room imports from it.
"""
