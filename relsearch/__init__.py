"""relsearch turns a BM25 search engine and a few human relevance labels into better-ranked search."""

__version__ = "0.1.0"
