"""Judges made of other judges: their average, one of two grades, one that reads long texts in windows."""
