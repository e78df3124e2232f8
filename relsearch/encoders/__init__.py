"""Bi-encoders: where models come from, their vectors kept on disk, pseudo-relevance feedback."""
