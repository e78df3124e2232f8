"""How a decoder reads a pair: one text that its chat template makes of query and document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from relsearch.encoders.joining import Row


class PairText(BaseModel):
    """`before` query `between` document `after`; special tokens among them are written as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: str
    between: str
    after: str

    def rows(self, tokenizer: Any, pairs: Sequence[tuple[str, str]], *, max_length: int | None) -> list[Row]:
        """Return the input of each pair; of one that is longer than `max_length` the end before `after` is cut."""
        ending = tokenizer.encode(self.after, add_special_tokens=False).ids
        texts = [f"{self.before}{query}{self.between}{document}{self.after}" for query, document in pairs]
        found = []
        for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            ids = encoding.ids
            if max_length is not None and len(ids) > max_length:
                ids = [*ids[: max_length - len(ending)], *ending]
            found.append(Row(np.array(ids, dtype=np.int32), np.zeros(len(ids), dtype=np.int32)))
        return found
