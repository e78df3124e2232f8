"""The settings of relsearch.toml, one module a group of sections, and reading the file.

From outside: `config` (Config and all sections), `load` (load_config, and how mistakes are named), `section` (the
base of sections), `reference` (the commented file).
"""
