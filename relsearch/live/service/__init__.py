"""The bundle behind HTTP: the reranking service."""
