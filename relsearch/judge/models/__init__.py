"""The models under a judge: loaded by family, read batch by batch, adapted by LoRA.

Inner to `judge`: no other room imports from it.
"""
