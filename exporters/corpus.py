"""Write documents as a collection's corpus.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from relsearch.atomic import replace_text
from relsearch.types import Document


def write_corpus(documents: Iterable[Document], path: Path) -> None:
    """Write one JSON object a line: `_id`, then the document's fields."""
    rows = ({"_id": document.doc_id, **document.fields} for document in documents)
    replace_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
