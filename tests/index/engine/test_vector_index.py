"""Document vectors in an index: the same scores, nothing read twice, nobody else's vectors or index touched."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.core.errors import ArtifactError, ConfigError, SearchEngineError
from relsearch.core.files.key_index import digest
from relsearch.index.engine.http import Server
from relsearch.index.engine.vector_index import VectorIndex, open_vectors
from relsearch.index.registry import open_server
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import BATCH, StoreFacts
from tests.index.busy_server import busy_server
from tests.live.gateway.canned import canned, http_answer

NAME = "some-vectors"
TEXTS = ["the sea is deep", "a blue sky over the town", "", "the sea " * 100]


@pytest.fixture
def address(server: Server) -> str:
    """Where an index of vectors may be made."""
    server.send("DELETE", f"/{NAME}", None)
    return f"{server.url}/{NAME}"


def _open(bundle: Path, address: str | Path, *, create: bool = False) -> LateOnnxScorer:
    return LateOnnxScorer.open(bundle, vectors=open_vectors(address, create=create))


def test_stored_documents_score_the_same_unread(late_bundle: Path, address: str) -> None:
    """Vectors that went through the engine give the very scores of the bundle, and no document is read again."""
    writer = _open(late_bundle, address, create=True)
    stored = writer.readable([*TEXTS, TEXTS[0]])
    assert writer.open_store().add(stored, writer.document_vectors) == len(TEXTS)
    reader = _open(late_bundle, address)
    expected = LateOnnxScorer.open(late_bundle).logits("sea", TEXTS).tolist()
    reader.encode_documents = lambda texts: pytest.fail(f"read {texts}") if texts else []  # type: ignore[method-assign]
    assert reader.logits("sea", TEXTS).tolist() == expected
    assert reader.rerank("sea", TEXTS, budget_ms=10_000).reached == len(TEXTS)
    assert len(reader.open_store()) == len(TEXTS)
    assert reader.open_store().absent([*stored, "new", "new"]) == ["new"]
    assert reader.open_store().nbytes > 0


def test_an_interrupted_run_goes_on(late_bundle: Path, address: str) -> None:
    """What stands in the index when reading stops is not read again."""
    scorer = _open(late_bundle, address, create=True)
    texts = [f"text {number}" for number in range(BATCH + 3)]
    sizes: list[int] = []

    def read(batch: list[str], *, most: int) -> list:  # type: ignore[type-arg]
        sizes.append(len(batch))
        if len(sizes) > most:
            raise KeyboardInterrupt
        return scorer.document_vectors(batch)

    with pytest.raises(KeyboardInterrupt):
        scorer.open_store().add(texts, lambda batch: read(batch, most=1))
    assert scorer.open_store().add(texts, lambda batch: read(batch, most=9)) == 3
    assert sizes == [BATCH, 3, 3]


def test_the_verbs_take_the_address(late_bundle: Path, address: str, tmp_path: Path) -> None:
    """Precompute writes to an index as to a folder, and rerank reads from it."""
    texts = {"abc": "Abstract base classes.", "abc.ABC": "A helper class with ABCMeta as its metaclass."}
    _write_lines(tmp_path / "corpus.jsonl", texts)
    _write_lines(tmp_path / "queries.jsonl", {"d001": "abstract classes"})
    counts: dict[str, list[int]] = {}
    for where in (str(tmp_path / "vectors"), address, address):
        options = ["--bundle", str(late_bundle), "--vectors", where, "--json"]
        result = CliRunner().invoke(app, ["precompute", str(tmp_path), *options])
        assert result.exit_code == 0, (result.output, result.exception)
        counts.setdefault(where, []).append(json.loads(result.output)["added"])
    assert counts[address] == [*counts[str(tmp_path / "vectors")], 0]
    run = tmp_path / "run.trec"
    run.write_text("d001 Q0 abc 1 2.0 bm25\nd001 Q0 abc.ABC 2 1.0 bm25\n", encoding="utf-8")
    options = ["--bundle", str(late_bundle), "--collection", str(tmp_path)]
    runs = [CliRunner().invoke(app, ["rerank", str(run), *options, *more]) for more in ([], ["--vectors", address])]
    assert runs[0].exit_code == 0, runs[0].output
    assert runs[0].output == runs[1].output


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_a_busy_server_is_waited_for(engine: str) -> None:
    """Vectors refused with 429 are sent again until they are in, each once; nothing is read twice for that."""
    facts = StoreFacts(encoder="free", pooled=2, tokens=2)
    vectors = DocumentVectors(np.zeros(2, np.float16), np.zeros((1, 2), np.int8))
    read: list[str] = []

    def free(texts: list[str]) -> list[DocumentVectors]:
        read.extend(texts)
        return [vectors] * len(texts)

    with busy_server() as busy:
        index = VectorIndex(open_server(engine, busy.url), NAME, facts, create=True)
        assert index.add(TEXTS, free) == len(TEXTS)
    assert busy.refused > 3
    assert read == TEXTS
    assert sorted(busy.taken) == sorted(digest(text).hex() for text in TEXTS)


def test_others_are_left_alone(late_bundle: Path, server: Server, address: str) -> None:
    """Vectors of another encoder, indices that hold no vectors, or are not ours, are refused by name."""
    facts = _open(late_bundle, address, create=True).open_store().facts
    other = open_vectors(address)
    assert other is not None
    with pytest.raises(ArtifactError, match="another bundle"):
        other(facts.model_copy(update={"encoder": "other"}))
    server.ask("DELETE", f"/{NAME}")
    with pytest.raises(ArtifactError, match="relsearch precompute"):
        _open(late_bundle, address)
    server.ask("PUT", f"/{NAME}", {"mappings": {"_meta": {"made_by": "relsearch"}}})
    with pytest.raises(ArtifactError, match="holds no vectors"):
        _open(late_bundle, address, create=True)
    server.ask("DELETE", f"/{NAME}")
    server.ask("PUT", f"/{NAME}", {})
    with pytest.raises(SearchEngineError, match="not made by relsearch"):
        _open(late_bundle, address, create=True)


def test_damage_is_told(late_bundle: Path, server: Server, address: str) -> None:
    """A value of the wrong length is no vector."""
    scorer = _open(late_bundle, address, create=True)
    store = scorer.open_store()
    store.add(TEXTS[:1], scorer.document_vectors)
    (key,) = [hit["_id"] for hit in _all(server)]
    server.ask("PUT", f"/{NAME}/_doc/{key}?refresh=true", {"vectors": "AAAA"})
    with pytest.raises(ArtifactError, match="damaged"):
        store.lookup(TEXTS)


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_a_search_does_not_wait_for_an_engine_that_hangs(engine: str) -> None:
    """It reads the documents instead; who precomputes waits longer."""
    facts = StoreFacts(encoder="e", pooled=1, tokens=1)
    meta = {"made_by": "relsearch", "vectors": facts.model_dump()}
    mapping = json.dumps({"v": {"mappings": {"_meta": meta}}}).encode()
    answer = http_answer(mapping, headers="X-Elastic-Product: Elasticsearch\r\n")
    with canned({"/v/_mapping": answer}) as hanging:
        store = VectorIndex(open_server(engine, hanging.url), "v", facts)
        began = time.monotonic()
        with pytest.raises(SearchEngineError, match="timed out"):
            store.lookup(["a"])
        assert time.monotonic() - began < 5
        assert len(hanging.requests) == 2


def _write_lines(path: Path, texts: dict[str, str]) -> None:
    rows = [json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items()]
    path.write_text("".join(rows), encoding="utf-8")


def _all(server: Server) -> list[dict[str, str]]:
    server.ask("POST", f"/{NAME}/_refresh")
    hits: list[dict[str, str]] = server.ask("POST", f"/{NAME}/_search", {"query": {"match_all": {}}})["hits"]["hits"]
    return hits


@pytest.mark.parametrize("address", ["http://h:9200", "http://h:9200/a/b", "http://h/v?x=1"])
def test_addresses_name_server_and_index(address: str) -> None:
    """An address without an index, or with more than it, is refused."""
    with pytest.raises(ConfigError, match="http://HOST:PORT/INDEX"):
        open_vectors(address)


def test_a_folder_without_vectors_is_refused(late_bundle: Path, tmp_path: Path) -> None:
    """A wrong path is said at once, and no folder is made."""
    with pytest.raises(ArtifactError, match="relsearch precompute"):
        _open(late_bundle, tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
