"""Rerankers against BM25 and the untrained cosine: quality on human labels, speed against the usual ways."""
