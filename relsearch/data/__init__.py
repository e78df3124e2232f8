"""Collections, TREC files, query logs, candidate pools and near-duplicates.

Other rooms may import every module but demo, which load_collection("demo") reads.
"""
