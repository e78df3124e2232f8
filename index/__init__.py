"""Search engines behind the Searcher protocol; one file an engine."""
