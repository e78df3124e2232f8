"""Statistics that are of no room: the bootstrap over queries, randomisation tests, ordinal models, Laplace."""
