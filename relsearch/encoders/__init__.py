"""Bi-encoders, where models are found, vectors cached on disk, and pseudo-relevance feedback.

Other rooms may import every module.
"""
