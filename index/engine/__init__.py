"""Elasticsearch and OpenSearch: requests, the text of hits, document vectors, filling and sampling an index.

Other rooms import access, hits (the one reader of `_source`), http and vector_index; verbs also ingest, fetching and
sampling.
"""
