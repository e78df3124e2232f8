"""Rerankers: cross-encoders and late interaction, their training, bundles and score interpolation.

Other rooms import the modules of this folder. Its inner rooms cross, late, runtime and training are imported by
exporters/bundle, which builds graphs from them, and by the few modules that pyproject.toml names.
"""
