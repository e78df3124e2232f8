"""The stages, their order, and the artefacts between them."""
