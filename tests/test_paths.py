"""Whatever opens, reads or writes takes a string as well as a Path, and models by any of their names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from relsearch.core import tables
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.settings.load import load_config
from relsearch.core.types import Document, Scale, StrPath
from relsearch.data.collection import load_collection
from relsearch.data.query_log import read_query_log
from relsearch.data.trec import labels_of, read_labels, read_qrels, read_run, read_topics
from relsearch.encoders.model_source import resolve
from relsearch.exporters.corpus import is_made, write_corpus
from relsearch.exporters.trec import is_run_of, write_qrels, write_run
from relsearch.index.engine.fetching import body_from
from relsearch.index.registry import build_searcher, open_searcher
from relsearch.judge.judge_card import SHIPPED as READY_JUDGE
from relsearch.judge.judge_card import read_card
from relsearch.judge.registry import judge_folder
from relsearch.labels.csv_form import read_csv
from relsearch.rerank.bundle import SHIPPED as READY_BUNDLE
from relsearch.rerank.bundle import bundle_folder, open_bundle
from relsearch.rerank.families import open_scorer
from relsearch.rerank.late.onnx_scorer import LateOnnxScorer
from relsearch.rerank.reranker import Reranker

Opened = Callable[[StrPath], Any]
SCALE = Scale(0, ("no", "yes"), 1)
TEXTS = {
    "run.trec": "q Q0 d 1 2.0 tag\n",
    "qrels.txt": "q 0 d 1\n",
    "beir.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
    "topics.tsv": "q\ttea\n",
    "log.csv": "query,count\ntea,2\n",
    "body.json": '{"query": {"match": {"text": "{{query}}"}}}',
    "relsearch.toml": '[collection]\nsource = "demo"\n',
    "collection/corpus.jsonl": '{"_id": "d", "text": "green tea"}\n',
    "collection/queries.jsonl": '{"_id": "q", "text": "tea"}\n',
    "collection/qrels.txt": "q 0 d 1\n",
}
READERS: dict[str, tuple[str, Opened]] = {
    "read_run": ("run.trec", lambda path: read_run(path).rows()),
    "read_qrels": ("qrels.txt", lambda path: read_qrels(path, None).rows()),
    "read_labels": ("qrels.txt", lambda path: read_labels(path, None).rows()),
    "labels_of": ("beir.tsv", lambda path: list(labels_of(path, None))),
    "read_topics": ("topics.tsv", read_topics),
    "read_query_log": ("log.csv", read_query_log),
    "load_config": ("relsearch.toml", load_config),
    "body_from": ("body.json", lambda path: body_from(path)("tea")),
    "load_collection": ("collection", lambda path: load_collection(path).qrels()),
    "tables.read": ("table.parquet", lambda path: tables.read(path, tables.CANDIDATES).rows()),
    "is_run_of": ("run.trec", lambda path: is_run_of(path, "tag")),
    "open_searcher": (
        "index",
        lambda path: open_searcher("embedded", path, index=IndexConfig(), encoder=EncoderConfig()).name,
    ),
}
LABELS = pl.DataFrame({"query_id": ["q"], "doc_id": ["d"], "grade": [1]})
RUN = pl.DataFrame(
    {"query_id": ["q"], "doc_id": ["d"], "rank": [1], "score": [2.0], "searcher": ["s"]},
    schema=dict(tables.CANDIDATES),
)
WRITERS: dict[str, Callable[[StrPath], object]] = {
    "write_run": lambda path: write_run(RUN, path, tag="tag"),
    "write_qrels": lambda path: write_qrels(LABELS, path),
    "tables.write": lambda path: tables.write(RUN, path, tables.CANDIDATES),
}
MODELS: dict[str, tuple[Path, Opened]] = {
    "bundle_folder": (READY_BUNDLE, bundle_folder),
    "open_bundle": (READY_BUNDLE, lambda name: open_bundle(name).folder),
    "open_scorer": (READY_BUNDLE, lambda name: open_scorer(name, workers=1).manifest.base and bundle_folder(name)),
    "LateOnnxScorer.open": (
        READY_BUNDLE,
        lambda name: LateOnnxScorer.open(name, workers=1).manifest.base and bundle_folder(name),
    ),
    "Reranker.open": (READY_BUNDLE, lambda name: Reranker(name, workers=1).template and bundle_folder(name)),
    "judge_folder": (READY_JUDGE, judge_folder),
    "read_card": (READY_JUDGE, lambda name: read_card(name).base_checksum and judge_folder(name)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file of each kind."""
    made = tmp_path_factory.mktemp("paths")
    for name, text in TEXTS.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
    tables.write(RUN, made / "table.parquet", tables.CANDIDATES)
    documents = [Document("d", {"text": "green tea"})]
    (made / "index").mkdir()
    build_searcher("embedded", documents, str(made / "index"), index=IndexConfig(), encoder=EncoderConfig())
    return made


@pytest.mark.parametrize("name", READERS)
def test_whatever_reads_takes_a_string_and_a_path(folder: Path, name: str) -> None:
    """Both give the same."""
    file, read = READERS[name]
    assert read(str(folder / file)) == read(folder / file)


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_writes_takes_a_string_and_a_path(tmp_path: Path, name: str) -> None:
    """Both write the same bytes."""
    WRITERS[name](str(tmp_path / "by_string"))
    WRITERS[name](tmp_path / "by_path")
    assert (tmp_path / "by_string").read_bytes() == (tmp_path / "by_path").read_bytes() != b""


def test_a_corpus_is_written_and_known_by_a_string(tmp_path: Path) -> None:
    """The mark beside it counts for both kinds of names."""
    write_corpus([Document("d", {"text": "tea"})], str(tmp_path))
    assert is_made(str(tmp_path / "corpus.jsonl"))
    assert is_made(tmp_path / "corpus.jsonl")


def test_a_review_is_read_by_a_string(tmp_path: Path) -> None:
    """Its rows are those that a Path gives."""
    path = tmp_path / "review.csv"
    path.write_text("query_id,doc_id,grade\nq,d,1\n", encoding="utf-8")
    assert read_csv(str(path), SCALE).labels.rows() == read_csv(path, SCALE).labels.rows()


@pytest.mark.parametrize("opener", MODELS)
def test_a_model_is_opened_by_each_of_its_names(opener: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ready`, a string, a Path, and a hub id whose folder lies in RELSEARCH_MODELS or in the hub's cache."""
    shipped, opened = MODELS[opener]
    monkeypatch.chdir(tmp_path)
    assert opened("ready") == shipped
    assert opened(Path("ready")) == shipped
    assert opened(str(shipped)) == opened(shipped) == shipped
    own = tmp_path / "models" / "mine"
    shutil.copytree(shipped, own)
    monkeypatch.setenv("RELSEARCH_MODELS", str(own.parent))
    assert opened("somebody/mine") == own


def test_a_hub_id_in_the_hubs_cache_leads_to_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hf download` put it there; the hub is not asked."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--somebody--mine"
    shutil.copytree(READY_BUNDLE, repository / "snapshots" / ("a" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40, encoding="utf-8")
    assert open_bundle("somebody/mine").folder.name == "a" * 40
    (repository / "snapshots" / ("a" * 40) / "model.onnx").unlink()  # as a download leaves it that was interrupted
    assert bundle_folder("somebody/mine") == Path("somebody/mine")


def test_a_name_that_leads_nowhere_is_the_openers_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped path is not looked for elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert bundle_folder("runs/bundle") == Path("runs/bundle")


def test_a_base_model_is_found_by_a_string_and_a_path(tmp_path: Path) -> None:
    """A folder of weights is enough."""
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    assert resolve(str(tmp_path)) == resolve(tmp_path) == tmp_path
