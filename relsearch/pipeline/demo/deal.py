"""The demo's two collections: the same documents and queries, once with ten labelled queries, once with all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from relsearch.core import tables
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import Config
from relsearch.data.collection import Collection, load_collection
from relsearch.data.pool import CROSS_VALIDATED_BELOW
from relsearch.exporters.corpus import write_corpus
from relsearch.exporters.trec import qrels_text

LABELLED = 10
_TEST_SHARE = 0.5
_DEV_SHARE = 0.2
FEW, ALL = "ten-labels", "all-labels"


@dataclass(frozen=True, slots=True)
class Deal:
    """Who plays which part: queries that only the tables see, and those whose labels may be learnt from, in order."""

    test: tuple[str, ...]
    learning: tuple[str, ...]

    def splits(self, labelled: int | None = None) -> dict[str, str]:
        """Return the split of each query when only the first `labelled` of the learning ones are labelled."""
        known = self.learning[:labelled]
        dev = round(_DEV_SHARE * len(known)) if len(known) >= CROSS_VALIDATED_BELOW else 0
        return {
            **dict.fromkeys(self.learning, "unlabelled"),
            **dict.fromkeys(known[:dev], "dev"),
            **dict.fromkeys(known[dev:], "train"),
            **dict.fromkeys(self.test, "test"),
        }


def deal(query_ids: Sequence[str], *, seed: int) -> Deal:
    """Deal queries by a hash of seed and id: half of them to the test."""
    order = sorted(query_ids, key=lambda query_id: sha256(f"{seed}:{query_id}".encode()).hexdigest())
    test = round(_TEST_SHARE * len(order))
    return Deal(tuple(order[:test]), tuple(order[test:]))


def dealt_configs(config: Config) -> dict[str, Config]:
    """Write both collections into the config's output folder; return the config of each by its name.

    Only queries with a relevant document are dealt; the labels of others are left out.
    """
    source = load_collection(config.collection.source)
    labels = tables.judgments_table(source.qrels())
    relevant = labels.filter(pl.col("grade") >= config.scale.relevant)
    parts = deal(sorted(set(relevant["query_id"])), seed=config.seed)
    return {
        name: _written(config.model_copy(update={"output": config.output / name}), source, labels, split_of)
        for name, split_of in ((FEW, parts.splits(LABELLED)), (ALL, parts.splits()))
    }


def _written(config: Config, source: Collection, labels: pl.DataFrame, split_of: Mapping[str, str]) -> Config:
    """The config of a collection that holds the labels of these splits alone, written into its output folder."""
    folder = config.output / "collection"
    folder.mkdir(parents=True, exist_ok=True)
    shown = sorted(query_id for query_id, split in split_of.items() if split != "unlabelled")
    queries = source.queries()
    rows = [json.dumps({"_id": query.query_id, "text": query.text}, ensure_ascii=False) for query in queries]
    splits = [f"{query.query_id}\t{split_of.get(query.query_id, 'unlabelled')}" for query in queries]
    write_corpus(source.documents(), folder)
    replace_text(folder / "queries.jsonl", "\n".join(rows) + "\n")
    replace_text(folder / "qrels.tsv", qrels_text(labels.filter(pl.col("query_id").is_in(shown))))
    replace_text(folder / "splits.tsv", "\n".join(splits) + "\n")
    collection = {"source": str(folder), "splits": folder / "splits.tsv"}
    return config.model_copy(update={"collection": config.collection.model_copy(update=collection)})
