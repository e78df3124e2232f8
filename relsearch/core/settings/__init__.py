"""relsearch.toml as frozen models: one section a stage."""
