"""Queries written from documents: by a model, or taken from their structure, and what they must pass."""
