"""Fixtures that several suites share: small real inputs, tiny random models, folders of real data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from relsearch.core.types import Document, Query
from tests.tiny_models import save_tiny_bert, save_tiny_llama

# No deadline: on a busy machine any example may be slow.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=50, deadline=None)  # make test
settings.load_profile("quick")
REPOSITORY = Path(__file__).resolve().parent.parent
# Fixtures that train or export: a test that asks for one is slow.
TRAINED = {"tiny_reranker", "tiny_bundles", "late_model", "late_bundle", "tune_half", "tuned"}

# Files whose tests start real servers.
LIVE = (
    "tests/index/",
    "tests/exporters/test_elastic.py",
    "tests/exporters/test_opensearch.py",
    "tests/judge/test_remote_live.py",
    "tests/live/gateway/",
    "tests/test_docs.py::test_lines_that_name_an_engine",
)
# The files that take longest are begun first, so that no process works on one of them alone at the end.
LONG = (
    "tests/end_to_end/",
    "tests/test_docs.py",
    "tests/pipeline/demo/test_demo.py",
    "tests/cluster/",
    "tests/cli/test_kills.py",
    "tests/exporters/",
    "tests/adapters/",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process a core for the whole suite; none for files that are named, which start sooner without."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return (os.cpu_count() or 1) if whole else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, and those that start real servers: one engine runs at a time."""
    from xdist.scheduler import LoadFileScheduling

    scheduler = LoadFileScheduling(config, log)
    file_of = scheduler._split_scope
    scheduler._split_scope = lambda test: "live" if test.startswith(LIVE) else file_of(test)
    return scheduler


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow what trains, exports or opens a browser, and put what takes long first.

    Raise UsageError for a live test that is not among LIVE.
    """
    items.sort(key=lambda item: (not item.nodeid.startswith(LIVE), not item.nodeid.startswith(LONG)))
    for item in items:
        if item.get_closest_marker("browser") or TRAINED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("live") and not item.nodeid.startswith(LIVE):
            raise pytest.UsageError(f"{item.nodeid} is live: name its file in LIVE, tests/conftest.py")


def _shared(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set {variable}")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window, driven by Playwright; skips where either is absent.

    Playwright's event loop runs as long as it is open, so that no other file could run one of its own.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def collections() -> Path:
    """The folder of real test collections; skips where it is absent."""
    return _shared("RELSEARCH_COLLECTIONS", "collections")


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of models that no package carries; skips where it is absent."""
    return _shared("RELSEARCH_MODELS", "models")


@pytest.fixture(scope="session")
def servers() -> Path:
    """The folder of real search servers; skips where it is absent."""
    return _shared("RELSEARCH_SERVERS", "servers")


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Ten short documents on four topics."""
    texts = {
        "cat-1": ("Cats", "A cat purrs when it is calm and sometimes when it is in pain."),
        "cat-2": ("Kittens", "Kittens open their eyes about ten days after birth."),
        "cat-3": ("Cat food", "Cats are carnivores; a cat needs taurine in its food."),
        "tea-1": ("Green tea", "Green tea is steeped at 80 degrees for two minutes."),
        "tea-2": ("Black tea", "Black tea is fully oxidised and steeped in boiling water."),
        "sea-1": ("Tides", "Tides rise and fall because of the gravity of the moon and the sun."),
        "sea-2": ("Waves", "Most waves at sea are made by wind."),
        "sea-3": ("Salt", "Sea water holds about 35 grams of salt per litre."),
        "sky-1": ("Blue sky", "The sky is blue because short wavelengths scatter more."),
        "sky-2": ("Sunset", "At sunset light passes through more air and looks red."),
    }
    return [Document(doc_id, {"title": title, "text": text}) for doc_id, (title, text) in texts.items()]


@pytest.fixture(scope="session")
def queries() -> list[Query]:
    """Four queries over the ten documents."""
    return [
        Query("q1", "why does a cat purr"),
        Query("q2", "how to steep green tea"),
        Query("q3", "why are there tides"),
        Query("q4", "why is the sky blue"),
    ]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, documents: list[Document], queries: list[Query]) -> Path:
    """A folder with a random two-layer BERT (32 wide, 128 positions) and its WordPiece tokenizer."""
    return save_tiny_bert(tmp_path_factory.mktemp("tiny") / "bert", _texts(documents, queries))


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory, documents: list[Document], queries: list[Query]) -> Path:
    """A folder with a random two-layer Llama (32 wide) and a byte-level tokenizer with ChatML tokens."""
    return save_tiny_llama(tmp_path_factory.mktemp("tiny") / "llama", _texts(documents, queries))


@pytest.fixture(scope="session")
def tiny_reranker(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, documents: list[Document], queries: list[Query]
) -> Path:
    """A folder with a reranker on the tiny BERT, trained for a few steps."""
    from tests.rerank.tiny_reranker import train_tiny

    folder = tmp_path_factory.mktemp("tiny") / "reranker"
    train_tiny(tiny_bert, folder, queries=queries, documents=documents)
    return folder


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory, tiny_reranker: Path) -> dict[str, Path]:
    """The tiny reranker's fp32 and int8 bundles, by variant."""
    from relsearch.exporters.bundle.choose import write_int8
    from relsearch.exporters.bundle.onnx import write_fp32

    folder = tmp_path_factory.mktemp("bundles")
    write_fp32(tiny_reranker, folder / "fp32")
    write_int8(folder / "fp32", folder / "int8")
    return {variant: folder / variant for variant in ("fp32", "int8")}


@pytest.fixture(scope="session")
def late_model(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, documents: list[Document], queries: list[Query]
) -> Path:
    """A folder with a late-interaction model on the tiny BERT, trained for a few steps."""
    from tests.rerank.tiny_reranker import train_tiny

    folder = tmp_path_factory.mktemp("tiny") / "late"
    train_tiny(tiny_bert, folder, queries=queries, documents=documents, family="late", dimension=16)
    return folder


@pytest.fixture(scope="session")
def late_bundle(tmp_path_factory: pytest.TempPathFactory, late_model: Path) -> Path:
    """Its fp32 bundle."""
    from relsearch.exporters.bundle.late_interaction import write_late

    folder = tmp_path_factory.mktemp("bundles") / "late"
    write_late(late_model, folder)
    return folder


def _texts(documents: list[Document], queries: list[Query]) -> list[str]:
    return [text for document in documents for text in document.fields.values()] + [query.text for query in queries]
