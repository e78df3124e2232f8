"""Search engines behind the Searcher protocol, one module an engine.

Other rooms import registry, which opens any engine by its name, java, and of engine/ access, hits, http and
vector_index; verbs also import engine/ingest, fetching and sampling. The engines' own modules stay inside.
"""
