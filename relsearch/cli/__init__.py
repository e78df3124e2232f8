"""The command line: one thin command a verb, and the only place that prints."""

from relsearch.cli import gateway, label, measure, rank, stages
from relsearch.cli.app import app, main

__all__ = ["app", "gateway", "label", "main", "measure", "rank", "stages"]
