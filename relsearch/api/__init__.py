"""The public Python API, beside relsearch.rerank.reranker and relsearch.live.searching; `relsearch` gives it lazily.

The verbs of the command line are a few lines over these functions. Other rooms do not import them.
"""
