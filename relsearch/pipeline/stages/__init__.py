"""Stages: one function a verb; each reads finished artefacts and fills one new directory."""
