"""The demo: what ten labelled queries bring on the packaged collection, on queries that nothing learnt from."""
