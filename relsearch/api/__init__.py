"""The public Python API, with relsearch.rerank.reranker and relsearch.live.searching; `relsearch` imports it lazily.

The verbs of the command line are a few lines over these functions. Other rooms do not import them.
"""
