"""Write documents as a collection's corpus.jsonl, and beside it who made it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from relsearch.core.errors import DataError
from relsearch.core.files.atomic import checksum, replace_text, replacing
from relsearch.core.files.text_files import encodable
from relsearch.core.ids import id_fault, shown
from relsearch.core.types import Document, StrPath

CORPUS = "corpus.jsonl"
_MADE = "corpus.made.json"


class _Made(BaseModel):
    made_by: str = "relsearch"
    sha256: str


def write_corpus(documents: Iterable[Document], folder: StrPath) -> None:
    """Write one JSON object a line: `_id`, then the document's fields; and the file's checksum as a mark beside it."""
    path = Path(folder) / CORPUS
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as stream:
        for document in documents:
            stream.write(encodable(json.dumps(_row(document), ensure_ascii=False)) + "\n")
    replace_text(path.with_name(_MADE), _Made(sha256=checksum(Path(path))).model_dump_json() + "\n")


def _row(document: Document) -> dict[str, str]:
    if fault := id_fault(document.doc_id):
        raise DataError(f"document id {shown(document.doc_id)} {fault}")
    if "_id" in document.fields:
        raise DataError(f"document {document.doc_id!r} has a field called _id, which names the id; --field NAME=_id")
    return {"_id": document.doc_id, **document.fields}


def is_made(path: StrPath) -> bool:
    """Whether relsearch wrote a corpus, and nobody changed it since."""
    try:
        made = _Made.model_validate_json(Path(path).with_name(_MADE).read_bytes())
    except (OSError, ValidationError):
        return False
    return made.sha256 == checksum(Path(path))
