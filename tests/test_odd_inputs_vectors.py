"""Odd folders of vectors: a result, or one of our errors in one line, and nothing changed by reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from relsearch.rerank.vectors.folder import META, VectorFolder
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import StoreFacts
from tests.odd_inputs import answers, odd, odd_bytes

TEXTS = ["tea", "a green sea", ""]
FACTS = StoreFacts(encoder="e", tokens=4, pooled=2)


def _read(texts: list[str]) -> list[DocumentVectors]:
    return [DocumentVectors(np.ones(2, np.float16), np.ones((1 + len(text) % 5, 4), np.int8)) for text in texts]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a folder of three documents."""
    folder = tmp_path_factory.mktemp("vectors")
    VectorFolder(folder, FACTS).add(TEXTS, _read)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", [META, "keys.u64", "ends.i64", "pooled.f16", "tokens.i8"])
@odd(data=st.data(), share=0.3)
def test_vectors(tmp_path: Path, whole: dict[str, bytes], name: str, data: st.DataObject) -> None:
    """Whichever file of the folder is broken."""
    for each, content in (whole | {name: data.draw(odd_bytes(whole[name]))}).items():
        (tmp_path / each).write_bytes(content)
    if answers(lambda: VectorFolder(tmp_path, FACTS), tmp_path):
        for vectors in VectorFolder(tmp_path, FACTS).lookup(TEXTS).values():
            assert vectors.tokens.shape[1] == FACTS.tokens
