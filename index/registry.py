"""Searchers by name; only the chosen engine's packages are imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from relsearch.core.errors import ConfigError, MissingExtraError, RelsearchError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.plugins import Group, broken_plugin, check_plugin, has_plugin, load_plugin, plugin_names
from relsearch.core.protocols import Searcher
from relsearch.core.settings.config import EncoderConfig, IndexConfig
from relsearch.core.types import Document, StrPath
from relsearch.index.engine import official
from relsearch.index.engine.http import Server

SERVERS = ("elasticsearch", "opensearch")
_CLIENTS = {"elasticsearch": "elasticsearch", "opensearch": "opensearchpy"}
_FORBIDDEN = 403
PLUGINS: Group = "relsearch.searchers"
NAMES = ("embedded", "dense", "lucene", "elasticsearch", "opensearch")


def check_searcher(name: str, index: IndexConfig) -> None:
    """Raise ConfigError where a searcher does not know the language, MissingExtraError where its package is absent."""
    if name == "embedded":
        from relsearch.index.embedded import analyser

        analyser(index.language)
    elif name == "lucene":
        from relsearch.index.lucene import check_language

        check_language(index.language)
        _check_package("pyserini", "Lucene", "lucene")
    elif name in SERVERS:
        from relsearch.index.engine.rest import index_body

        index_body(index)
        _check_package(_CLIENTS[name], name, "elasticsearch")
    elif name == "dense":
        _check_package("sentence_transformers", "the dense encoder", "train")
    else:
        _plugin(name)


def build_searcher(
    name: str,
    documents: Iterable[Document],
    directory: StrPath,
    *,
    index: IndexConfig,
    encoder: EncoderConfig,
    template: str = DEFAULT_TEMPLATE,
) -> Searcher:
    """Index the documents with an engine and return its searcher; servers keep the index, others the directory."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if name == "embedded":
        from relsearch.index import embedded

        return embedded.build(documents, folder, index=index, template=template)
    if name == "dense":
        from relsearch.index import dense

        return dense.build(documents, folder, encoder=encoder, template=template)
    if name == "lucene":
        from relsearch.index import lucene

        return lucene.build(documents, folder, index=index, template=template)
    if name in SERVERS:
        return official.build(_client(name), documents, index=index, template=template)
    options = {"index": index, "encoder": encoder, "template": template}
    return _plugged_in(name, _plugin(name).build, documents, folder, **options)


def open_searcher(name: str, directory: StrPath, *, index: IndexConfig, encoder: EncoderConfig) -> Searcher:
    """Open what build_searcher indexed."""
    folder = Path(directory)
    if name == "embedded":
        from relsearch.index import embedded

        return embedded.open_index(folder)
    if name == "dense":
        from relsearch.index import dense

        return dense.open_index(folder, encoder=encoder)
    if name == "lucene":
        from relsearch.index import lucene

        return lucene.open_index(folder, index=index)
    if name in SERVERS:
        return official.open_index(_client(name), index=index)
    return _plugged_in(name, _plugin(name).open_index, folder, index=index, encoder=encoder)


def open_server(name: str | None, url: str, *, timeout_s: float | None = None) -> Server:
    """Return a running engine as requests and bulk loads; where no name is given, by what it says of itself.

    With a time limit, an engine that does not answer by then is not asked again, and one that is busy not waited for.
    """
    return official.connect(_client(name or engine_at(url)), url, timeout_s=timeout_s)


@contextmanager
def connected(name: str | None, url: str) -> Iterator[Any]:
    """Yield the official client of a running engine, named as for open_server; its errors become one line."""
    with official.connected(_client(name or engine_at(url)), url) as client:
        yield client


def engine_at(url: str) -> str:
    """Return elasticsearch or opensearch, as a running engine says of itself."""
    # This client asks for no proof of what it talks to.
    server = official.connect(_client("opensearch"), url, name="search engine")
    if server.send("GET", "/", None).status == _FORBIDDEN:
        return "elasticsearch"  # which lets a key search that may not look; its client refuses any other engine
    version = server.ask("GET", "/")["version"]
    return str(version.get("distribution", "elasticsearch")) if isinstance(version, dict) else "elasticsearch"


def _client(name: str) -> official.Client:
    if name == "elasticsearch":
        from relsearch.index.engine import elastic

        return elastic
    if name == "opensearch":
        from relsearch.index.engine import opensearch

        return opensearch
    raise ConfigError(f"{name!r} is no search server; use one of: {', '.join(SERVERS)}")


def _plugin(name: str) -> Any:
    if not has_plugin(PLUGINS, name):
        names = dict.fromkeys([*NAMES, *plugin_names(PLUGINS)])
        raise ConfigError(f"searcher {name!r} is not known; use one of: {', '.join(names)}")
    return load_plugin(PLUGINS, name, needs=("build", "open_index"))


def _plugged_in(name: str, make: Callable[..., Searcher], *arguments: object, **options: object) -> Searcher:
    """What a plug-in makes; raise ConfigError where it raises, or makes no searcher."""
    try:
        made = make(*arguments, **options)
    except RelsearchError:
        raise
    except Exception as exc:
        raise broken_plugin(PLUGINS, name, "cannot be built or opened", exc) from exc
    check_plugin(PLUGINS, name, made, ("name", "search"))
    return made


def _check_package(package: str, what: str, extra: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError(what, extra)
