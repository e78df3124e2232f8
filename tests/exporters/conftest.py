"""Servers that a reranker is attached to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index.conftest import _serve, elasticsearch_url, opensearch_url

__all__ = ["elasticsearch_url", "opensearch_url"]


@pytest.fixture(scope="session")
def trial_url(servers: Path) -> Iterator[str]:
    """A real Elasticsearch on its trial licence, which has the inference API."""
    yield from _serve([sys.executable, str(servers / "start.py"), "elasticsearch", "--trial"])
