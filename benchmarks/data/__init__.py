"""The first stage on complete collections, odd inputs, and a model that no package carries as such."""
