"""Documents read on workers, here by ones in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from relsearch.core.errors import ConfigError
from relsearch.rerank.document_workers import add_on
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.vectors.folder import VectorFolder
from relsearch.rerank.vectors.store import StoreFacts
from tests.workers import Backwards

TEXTS = [f"tide {number} of the sea" for number in range(300)]


def test_vectors_of_workers_are_those_of_one_process(late_bundle: Path, tmp_path: Path) -> None:
    """Texts that are stored or came before are not read again."""
    scorer = LateOnnxScorer.open(late_bundle)
    plain = VectorFolder(tmp_path / "plain", scorer.facts)
    plain.add(TEXTS, scorer.document_vectors)
    store = VectorFolder(tmp_path / "workers", scorer.facts)
    store.add(TEXTS[:10], scorer.document_vectors)
    assert add_on(Backwards(), late_bundle, store, TEXTS + TEXTS) == len(TEXTS) - 10
    expected, found = plain.lookup(TEXTS), store.lookup(TEXTS)
    assert all((found[text].tokens == expected[text].tokens).all() for text in TEXTS)
    assert all((found[text].pooled == expected[text].pooled).all() for text in TEXTS)


def test_a_worker_with_another_bundle_is_refused(late_bundle: Path, tmp_path: Path) -> None:
    """Its vectors would stand in the store as this bundle's."""
    store = VectorFolder(tmp_path, StoreFacts(encoder="another", pooled=384, tokens=32))
    with pytest.raises(ConfigError, match="is another one than that of the process that asks"):
        add_on(Backwards(), late_bundle, store, TEXTS)
    assert len(store) == 0
