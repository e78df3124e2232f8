"""Queries written from documents by a small causal language model."""
