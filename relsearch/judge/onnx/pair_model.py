"""The encoder family's pair model as a graph: what it adds to the retrieval features of each pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relsearch.core.errors import ArtifactError
from relsearch.core.files.text_files import encodable
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Pair
from relsearch.encoders.character_limit import MAX_CHARACTERS_PER_TOKEN, beginning, is_cut
from relsearch.encoders.joining import PLAIN, Ids, PairTemplate, Row, plain_ids, read_template
from relsearch.judge.onnx.manifest import ADDED
from relsearch.judge.onnx.parts import run_in_parts
from relsearch.runtime.engine import Engine
from relsearch.runtime.tokenising import load_tokenizer


class OnnxPairModel:
    """Scores pairs by one graph; `truncated` counts the pairs whose query or text was not read to its end."""

    def __init__(self, graph: Path, tokenizer: Path, config: JudgeConfig, *, special_tokens: bool) -> None:
        self._tokenizer = load_tokenizer(tokenizer)
        template = read_template(self._tokenizer) if special_tokens else PLAIN
        if template is None:
            raise ArtifactError(f"{tokenizer}: joins pairs by no fixed template; export the judge again")
        self._template: PairTemplate = template
        self._config = config
        self._engine = Engine(graph, outputs=(ADDED,))
        self.truncated = 0

    def added(self, pairs: Sequence[Pair], advance: Callable[[int], object]) -> NDArray[np.float64]:
        """Return what the model adds to the score of each pair, shape [pairs]."""
        if not pairs:
            return np.zeros(0)
        rows = self._rows(pairs)
        scores = run_in_parts(rows, self._engine.run, length=lambda row: len(row.ids), advance=advance)
        return scores.astype(np.float64)

    def _rows(self, pairs: Sequence[Pair]) -> list[Row]:
        config = self._config
        queries = self._encode({pair.query for pair in pairs}, config.query_prefix, config.max_query_tokens)
        texts = self._encode({pair.text for pair in pairs}, config.document_prefix, config.max_document_tokens)
        self.truncated += sum(queries[pair.query][1] or texts[pair.text][1] for pair in pairs)
        return [self._join(queries[pair.query][0], texts[pair.text][0]) for pair in pairs]

    def _encode(self, texts: set[str], prefix: str, limit: int) -> dict[str, tuple[Ids, bool]]:
        """The first `limit` tokens of each text, and whether there were more."""
        ordered = sorted(texts)
        characters = limit * MAX_CHARACTERS_PER_TOKEN
        whole = [prefix + encodable(text) for text in ordered]
        encodings = self._tokenizer.encode_batch_fast(
            [beginning(text, characters) for text in whole], add_special_tokens=False
        )
        found = [plain_ids(encoding) for encoding in encodings]
        return {
            text: (ids[:limit], len(ids) > limit or is_cut(long, characters))
            for text, ids, long in zip(ordered, found, whole, strict=True)
        }

    def _join(self, query: Ids, document: Ids) -> Row:
        ids = self._template.join(query, document).ids
        # The graph's token types tell the halves apart, also for bases that know one type only. As in tuning, the token
        # after the query, which is the separator if there is one, belongs to the query.
        types = np.ones(len(ids), dtype=np.int32)
        types[: len(query) + 2] = 0
        return Row(ids, types)
