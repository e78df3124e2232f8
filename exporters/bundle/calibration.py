"""The inputs that static quantisation fixes its ranges on: texts of real pools, as a bundle reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relsearch.encoders.joining import Row
from relsearch.exporters.bundle.parity import RankList
from relsearch.rerank.bundle import ENCODER, MODEL, TOKENIZER, Bundle, LateManifest, Manifest, ManifestBase
from relsearch.runtime.tokenising import PairTokenizer, TextTokenizer

# 100 inputs or 300 gave scores that are alike; each costs a tenth of a second.
_INPUTS = 100


def calibration_rows(bundle: Bundle[ManifestBase], lists: Sequence[RankList]) -> Mapping[str, list[Row]]:
    """Return inputs of each graph of a bundle, by the graph's file; lists give alike."""
    each = max(1, _INPUTS // len(lists))
    pairs = [(part.query, text) for part in lists[:_INPUTS] for text in part.texts[:each]]
    queries, documents = list(dict.fromkeys(query for query, _ in pairs)), [text for _, text in pairs]
    tokenizer, manifest = bundle.folder / TOKENIZER, bundle.manifest
    if isinstance(manifest, LateManifest):
        of_kind = ((manifest.queries, queries), (manifest.documents, documents))
        return {
            MODEL: [
                row
                for reading, texts in of_kind
                for row in TextTokenizer(tokenizer, max_length=reading.max_length).rows(list(map(reading.text, texts)))
            ]
        }
    if not isinstance(manifest, Manifest):
        raise TypeError(f"{type(manifest).__name__}: no family of bundles")
    pair_reader = PairTokenizer(tokenizer, max_length=manifest.max_length, text=manifest.pair_text)
    found = {MODEL: [row for rows in pair_reader.rows(pairs) for row in rows]}
    if manifest.prior is not None:
        texts = [manifest.query_prefix + text for text in queries] + [manifest.document_prefix + t for t in documents]
        reader = TextTokenizer(bundle.encoder_tokenizer, max_length=manifest.encoder_max_length)
        found[ENCODER] = reader.rows(texts)
    return found
