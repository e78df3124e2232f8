"""How a tokenizer joins two texts, read off once, so that cached halves are joined in numpy as it would join them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]

# Two short pairs of unlike lengths: what is constant over both is the template.
_PROBES = (("what is it", "it is that"), ("a", "one two three four"))


class Row(NamedTuple):
    """One input of a graph: token ids and token types, of one length."""

    ids: Ids
    types: Ids


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """`start` query `middle` document `end`: special tokens around the halves, and the type of each token."""

    start: Row
    middle: Row
    end: Row
    query_type: int
    document_type: int

    @property
    def added(self) -> int:
        """How many special tokens a pair gets."""
        return len(self.start.ids) + len(self.middle.ids) + len(self.end.ids)

    def join(self, query: Ids, document: Ids) -> Row:
        """Return the input of two halves that are already cut to fit."""
        sizes = (len(self.start.ids), len(query), len(self.middle.ids), len(document), len(self.end.ids))
        ids = np.concatenate((self.start.ids, query, self.middle.ids, document, self.end.ids))
        types = np.empty(len(ids), dtype=np.int32)
        a, b, c, d = np.cumsum(sizes)[:4]
        types[:a], types[b:c], types[d:] = self.start.types, self.middle.types, self.end.types
        types[a:b], types[c:d] = self.query_type, self.document_type
        return Row(ids, types)


_NOTHING = Row(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32))
PLAIN = PairTemplate(_NOTHING, _NOTHING, _NOTHING, query_type=0, document_type=1)  # one half after the other


def read_template(tokenizer: Any) -> PairTemplate | None:
    """Return the template of a tokenizer without truncation; None where it joins pairs in some other way.

    BERT's and RoBERTa's post-processors and all that are written as a template of special tokens have one.
    """
    found = [_template(tokenizer.encode(*probe)) for probe in _PROBES]
    template = found[0]
    if template is None or any(str(each) != str(template) for each in found):
        return None
    for query, document in _PROBES:
        whole = tokenizer.encode(query, document)
        joined = template.join(
            *(plain_ids(tokenizer.encode(text, add_special_tokens=False)) for text in (query, document))
        )
        if joined.ids.tolist() != whole.ids or joined.types.tolist() != whole.type_ids:
            return None
    return template


def kept_lengths(query: int, document: int, room: int) -> tuple[int, int]:
    """Return how many tokens of each half the strategy `longest_first` of tokenizers keeps in `room` tokens."""
    if query + document <= room:
        return query, document
    shorter = min(query, document)
    if shorter > room or shorter + max(shorter, room - shorter) > room:
        shorter, longer = room // 2, room - room // 2
    else:
        longer = room - shorter
    return (longer, shorter) if query > document else (shorter, longer)


def plain_ids(encoding: Any) -> Ids:
    """Return an encoding's ids as a compact array."""
    return np.array(encoding.ids, dtype=np.int32)


def _template(encoding: Any) -> PairTemplate | None:
    """The template of one encoded pair; None where its halves are not each in one piece, query first."""
    sides = encoding.sequence_ids
    if 0 not in sides or 1 not in sides:
        return None
    query = [place for place, side in enumerate(sides) if side == 0]
    document = [place for place, side in enumerate(sides) if side == 1]
    pieces = (query[0], query[-1] + 1, document[0], document[-1] + 1)
    types = [{encoding.type_ids[place] for place in half} for half in (query, document)]
    whole = pieces[1] - pieces[0] == len(query) and pieces[3] - pieces[2] == len(document)
    if not whole or pieces[1] > pieces[2] or any(len(each) != 1 for each in types):
        return None

    def special(begin: int, end: int) -> Row:
        return Row(*(np.array(row[begin:end], dtype=np.int32) for row in (encoding.ids, encoding.type_ids)))

    start, middle, end = special(0, pieces[0]), special(pieces[1], pieces[2]), special(pieces[3], len(sides))
    return PairTemplate(start, middle, end, types[0].pop(), types[1].pop())
