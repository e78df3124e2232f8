"""Document vectors in an index of the search engine: every process that reranks shares them and needs no disk.

A document there holds one text's vectors under the id that the text is found by. So vectors are never another text's,
whichever index a text stands in and however it changes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from relsearch.core.errors import ArtifactError, ConfigError, SearchEngineError
from relsearch.core.files.key_index import digest
from relsearch.core.types import StrPath
from relsearch.index.engine import rest
from relsearch.index.engine.access import checked_hosts
from relsearch.index.engine.http import Server
from relsearch.index.registry import open_server
from relsearch.rerank.vectors.folder import META, VectorFolder
from relsearch.rerank.vectors.interaction import DocumentVectors
from relsearch.rerank.vectors.store import BATCH, OpenStore, Read, StoreFacts, VectorStore

_FIELD = "vectors"
_NOT_FOUND = 404
_LOOKUP_S = 1.0  # for a hundred documents, which an engine gives in 0.1 s
_ADDRESS = re.compile(r"(?P<url>https?://[^?#\s/]+(?:,https?://[^?#\s/]+)*)/(?P<index>[a-z0-9][a-z0-9._-]*)/?")


class IndexAddress(NamedTuple):
    """An engine, by one host or several with commas between, and the name of an index there."""

    url: str
    name: str


def index_address(what: str, text: StrPath) -> IndexAddress | None:
    """Return what `http://HOST:PORT/INDEX` names, None for a path.

    Raise ConfigError, which calls it `what`, for a URL that names no index or holds a password.
    """
    if not (isinstance(text, str) and re.match(r"https?://", text)):
        return None
    checked_hosts(what, text)
    if (parts := _ADDRESS.fullmatch(text)) is None:
        raise ConfigError(f"{what} {text}: write http://HOST:PORT/INDEX")
    return IndexAddress(parts["url"], parts["index"])


def open_vectors(address: StrPath | None, *, create: bool = False) -> OpenStore | None:
    """Return what opens the vectors at a folder or at `http://HOST:PORT/INDEX`; None for None.

    What is returned raises ArtifactError where nothing is there, unless `create` is set, or another encoder's vectors
    are. Raise ConfigError for an address that is none.
    """
    if address is None:
        return None
    if place := index_address("--vectors", address):
        return lambda facts: VectorIndex(open_server(None, place.url), place.name, facts, create=create)
    folder = Path(address)

    def opened(facts: StoreFacts) -> VectorStore:
        if not (create or (folder / META).is_file()):
            raise ArtifactError(f"{folder}: no vectors are there; relsearch precompute writes them")
        return VectorFolder(folder, facts)

    return opened


class VectorIndex:
    """The vectors of one encoder in an index that relsearch made."""

    def __init__(self, server: Server, name: str, facts: StoreFacts, *, create: bool = False) -> None:
        self.name = name
        self.facts = facts
        self._server = server
        self._impatient = open_server(server.name, server.url, timeout_s=_LOOKUP_S)
        self._where = f"index {name!r} at {server.url}"
        found = server.send("GET", f"/{name}/_mapping", None)
        if found.status == _NOT_FOUND and create:
            server.ask("PUT", f"/{name}", _index_body(facts))
        elif found.status == _NOT_FOUND:
            raise ArtifactError(f"{self._where}: not there; relsearch precompute writes it")
        elif not found.ok:
            raise SearchEngineError(f"{self._where}: status {found.status}: {found.reason}")
        else:
            self._agree(found.body)

    def __len__(self) -> int:
        """How many documents are stored."""
        self._server.ask("POST", f"/{self.name}/_refresh")
        return int(self._server.ask("GET", f"/{self.name}/_count")["count"])

    @property
    def nbytes(self) -> int:
        """The bytes that the index takes, without replicas."""
        stats = self._server.ask("GET", f"/{self.name}/_stats/store")
        return int(stats["_all"]["primaries"]["store"]["size_in_bytes"])

    def lookup(self, texts: Sequence[str]) -> dict[str, DocumentVectors]:
        """Return the vectors of those texts that are stored; raise SearchEngineError soon where the engine is slow.

        A search waits for them, and may read the documents instead.
        """
        found: dict[str, DocumentVectors] = {}
        for keys in _batches(texts):
            for document in self._get(self._impatient, keys, source=_FIELD):
                found[keys[document["_id"]]] = self._vectors(document.get("_source", {}).get(_FIELD))
        return found

    def absent(self, texts: Sequence[str]) -> list[str]:
        """Return those texts that are not stored, each once."""
        return [text for keys in _batches(texts) for text in self._absent(keys).values()]

    def add(self, texts: Iterable[str], read: Read) -> int:
        """Read and write the texts that are not stored, some hundred at a time; return how many there were."""
        added = 0
        for keys in _batches(texts):
            if absent := self._absent(keys):
                added += self._write(absent, read(list(absent.values())))
        return added

    def _absent(self, keys: Mapping[str, str]) -> dict[str, str]:
        held = {document["_id"] for document in self._get(self._server, keys, source="false")}
        return {key: text for key, text in keys.items() if key not in held}

    def _get(self, server: Server, keys: Iterable[str], *, source: str) -> Iterator[dict[str, Any]]:
        # A get by id, unlike a search, sees what was written before the refresh.
        answer = server.ask("POST", f"/{self.name}/_mget?_source={source}", {"ids": list(keys)})
        return (document for document in answer["docs"] if document.get("found"))

    def _write(self, keys: Iterable[str], vectors: Iterable[DocumentVectors]) -> int:
        actions = (
            {"_op_type": "create", "_index": self.name, "_id": key, "_source": {_FIELD: _packed(each)}}
            for key, each in zip(keys, vectors, strict=True)
        )
        return rest.count_progress(self._server.bulk(actions), self.name)

    def _vectors(self, packed: Any) -> DocumentVectors:
        try:
            raw = base64.b64decode(packed, validate=True)
            cut = 2 * self.facts.pooled
            tokens = np.frombuffer(raw, np.int8, offset=cut).reshape(-1, self.facts.tokens)
            return DocumentVectors(np.frombuffer(raw, np.float16, count=self.facts.pooled), tokens)
        except (TypeError, ValueError) as exc:
            raise ArtifactError(f"{self._where}: damaged; delete it, and precompute anew") from exc

    def _agree(self, mapping: Mapping[str, Any]) -> None:
        rest.check_replaceable(mapping, self.name)
        for each in mapping.values():
            try:
                there = StoreFacts.model_validate(each["mappings"]["_meta"].get(_FIELD))
            except ValidationError:
                raise ArtifactError(f"{self._where}: holds no vectors; name another index") from None
            if there != self.facts:
                raise ArtifactError(f"{self._where}: vectors of another bundle; name another index, or delete this one")


def _index_body(facts: StoreFacts) -> dict[str, Any]:
    meta = {**rest.MARK, _FIELD: facts.model_dump()}
    return {"mappings": {"_meta": meta, "dynamic": "strict", "properties": {_FIELD: {"type": "binary"}}}}


def _packed(vectors: DocumentVectors) -> str:
    return base64.b64encode(vectors.pooled.tobytes() + vectors.tokens.tobytes()).decode("ascii")


def _batches(texts: Iterable[str]) -> Iterator[dict[str, str]]:
    """Some hundred texts at a time by the ids of their documents."""
    rest = iter(texts)
    while batch := {digest(text).hex(): text for text in islice(rest, BATCH)}:
        yield batch
