"""What comes in: collections, TREC files, query logs, pools, near-duplicates, the packaged demo."""
