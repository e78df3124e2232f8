"""Rerankers: cross-encoders and late interaction, their training, bundles and score interpolation.

Other rooms import the modules of this folder and of `vectors`. Only exporters/bundle and exporters/graphs, which build
graphs from them, import the inner rooms cross, late and training.
"""
