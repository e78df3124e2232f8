"""The command line: one thin command a verb, and the only place that prints."""

from relsearch.cli import export, label, measure, rank, serve, stages
from relsearch.cli.app import app, main

__all__ = ["app", "export", "label", "main", "measure", "rank", "serve", "stages"]
