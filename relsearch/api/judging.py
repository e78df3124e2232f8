"""relsearch.Judge: graded relevance of documents, by any judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from relsearch.core import protocols
from relsearch.core.display.results import GradedDocument, GradeResult, TextOrFields, document_texts
from relsearch.core.errors import ArtifactError, ConfigError
from relsearch.core.fields.template import DEFAULT_TEMPLATE
from relsearch.core.query_pool import QueryPool, pools_of
from relsearch.core.settings.config import Config, LabelConfig, TuneConfig
from relsearch.core.tables import judgments_table
from relsearch.core.types import Scale, StrPath
from relsearch.data.collection import Collection, load_collection, pairs_of_table
from relsearch.data.frames import LabelsLike, RunLike, labels_table, run_table
from relsearch.data.pool import split
from relsearch.encoders.hub import from_hub, is_hub_id
from relsearch.judge.judge_base import judged
from relsearch.judge.judge_card import CARD, read_card
from relsearch.judge.registry import READY, REMOTE, ZERO_SHOT, check_judge, judge_folder, open_judge

if TYPE_CHECKING:
    import polars as pl

_SCALE = "0-3"


class Judge:
    """Grades documents for a query; threads may share it, and take turns.

    `name` is `ready`, the folder or hub id of a judge, `zero-shot`, `reranker:NAME` (relsearch.judge.teacher), a name
    of the entry points `relsearch.judges`, or the address of an OpenAI-compatible endpoint (http://…/v1), whose `model`
    must be named and whose key is in RELSEARCH_JUDGE_API_KEY; or an object with the methods of
    relsearch.core.protocols.Judge. `scale` (0-3, 1-4, binary or lowest-highest:relevant) is by default a tuned judge's
    own, else 0-3. `template` renders documents that are dicts; `config` has all other settings ([judge], [remote],
    [label]).

    Raise ConfigError or ModelError where the name leads to no judge, ConfigError where a tuned judge grades on another
    scale, MissingExtraError where it needs packages that are not installed, RemoteError for a silent endpoint.
    """

    def __init__(
        self,
        name: StrPath | protocols.Judge = READY,
        *,
        model: str = "",
        scale: str | None = None,
        template: str = DEFAULT_TEMPLATE,
        config: Config | None = None,
    ) -> None:
        given = config or Config()
        self._template = template
        self._folder: Path | None = None
        self._lock = Lock()
        if not isinstance(name, str | Path):
            self._config, self._judge = given, name
            return
        remote = given.remote
        if str(name).startswith(("http://", "https://")):
            remote = remote.with_address(str(name))
            if not (model := model or remote.model):
                raise ConfigError(f"model: give the name by which {name} knows its model, as model=…")
            remote, name = remote.model_copy(update={"model": model}), REMOTE
        elif (folder := judge_folder(name)).is_dir():
            self._folder = folder
        elif is_hub_id(name):
            name = self._folder = from_hub(str(name), marker=CARD)
        if scale is None:
            scale = _SCALE if self._folder is None else _written(read_card(self._folder).scale)
        collection = given.collection.model_copy(update={"scale": scale})
        label = LabelConfig.model_validate({**given.label.model_dump(), "judge": str(name)})
        self._config = given.model_copy(update={"collection": collection, "label": label, "remote": remote})
        check_judge(self._config)
        self._judge = open_judge(self._config)

    @property
    def scale(self) -> Scale:
        """The scale of its grades."""
        return self._judge.scale

    def grade(self, query: str, documents: Sequence[TextOrFields]) -> GradeResult:
        """Return the label of each document, in their order: grade, probabilities, expected grade and confidence.

        A document is a string, or a dict that the template renders. A judge that compares documents, as `ready` does,
        grades each relative to the others. Raise TypeError or DataError for a document that is neither.
        """
        if not isinstance(query, str):
            raise TypeError(f"query is of type {type(query).__name__}; give a string")
        texts, given = document_texts(documents, self._template), list(documents)
        pool = QueryPool("query", query, tuple(map(str, range(len(texts)))), tuple(texts))
        with self._lock:
            ((_, labels),) = judged(self._judge, [pool])
        return GradeResult(
            GradedDocument(place, each.grade, each.probabilities, each.expected, each.confidence, given[place])
            for place, each in enumerate(labels)
        )

    async def grade_async(self, query: str, documents: Sequence[TextOrFields]) -> GradeResult:
        """Do as `grade` in a thread, which leaves the event loop free."""
        return await asyncio.to_thread(self.grade, query, documents)

    def grade_run(self, run: RunLike, collection: StrPath | Collection, *, depth: int = 20) -> pl.DataFrame:
        """Return the judgments table of a run's first `depth` documents of each query; relsearch.agree takes it.

        `run` and `collection` are given as to Reranker.rerank_run. Raise DataError where a text is missing.
        """
        import polars as pl

        first = run_table(run).filter(pl.col("rank") <= depth)
        pairs = pairs_of_table(first, load_collection(collection), self._template)
        with self._lock:
            return judgments_table(label for _, labels in judged(self._judge, pools_of(pairs)) for label in labels)

    def tune(
        self,
        collection: StrPath | Collection,
        output: StrPath,
        *,
        qrels: LabelsLike | None = None,
        dev_share: float = 0.25,
        seed: int = 13,
        settings: TuneConfig | None = None,
    ) -> Judge:
        """Tune this judge further on a collection's human labels, or on `qrels`; write and return the new judge.

        Queries are split by `seed`: those of `dev_share` choose the weights and calibrate. An interrupted run goes on.
        Needs torch and the judge's base model. Raise ConfigError for a judge without weights, ArtifactError where
        `output` holds a judge, DataError where there are too few labels.
        """
        from relsearch.encoders.encoder import load_encoder
        from relsearch.judge.tune import tune

        if (Path(output) / CARD).exists():
            raise ArtifactError(f"{output}: holds a judge; name another folder")
        tuning, judge, encoders = settings or TuneConfig(), self._config.judge, self._config.judge_encoders
        if self._folder is not None:
            card = read_card(self._folder)
            tuning = tuning.model_copy(update={"start": str(self._folder)})
            judge, encoders = card.judge, card.encoders
        elif self._config.label.judge != ZERO_SHOT:
            raise ConfigError(
                f"judge {self._config.label.judge!r} has no weights here; tune ready, zero-shot or a folder"
            )
        source = load_collection(collection)
        labels = labels_table(source if qrels is None else qrels, self.scale).drop_nulls("grade")
        parts = _split(labels, source, dev_share=dev_share, seed=seed)
        known = [(pairs_of_table(part, source, self._template), part["grade"].to_list()) for part in parts]
        tune(
            *known[0],
            *known[1],
            judge=judge,
            tune=tuning,
            encoders=[load_encoder(encoder) for encoder in encoders],
            scale=self.scale,
            seed=seed,
            output=Path(output),
        )
        return Judge(Path(output), template=self._template, config=self._config)


def _written(scale: Scale) -> str:
    return f"{scale.lowest}-{scale.highest}:{scale.relevant}"


def _split(
    labels: pl.DataFrame, collection: Collection, *, dev_share: float, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The labels of training queries and those of dev queries, sorted."""
    import polars as pl

    texts = [(query.query_id, query.text) for query in collection.queries()]
    queries = pl.DataFrame(texts, schema={"query_id": pl.String, "text": pl.String}, orient="row")
    named = split(
        queries,
        labelled=set(labels["query_id"]),
        dev_share=dev_share,
        test_share=0,
        seed=seed,
        cross_validated_below=0,
    )
    ordered = labels.sort("query_id", "doc_id")
    train, dev = (
        ordered.join(named.filter(pl.col("split") == name), on="query_id", how="semi") for name in ("train", "dev")
    )
    return train, dev
