"""All that the pages work on: opened once, before the server listens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import polars as pl

from relsearch.core.errors import ConfigError
from relsearch.core.files.atomic import alone
from relsearch.core.protocols import Judge
from relsearch.core.settings.config import CollectionConfig, Config, LabelConfig
from relsearch.core.tables import judgments_table
from relsearch.core.types import Query, StrPath
from relsearch.data.collection import Collection, load_collection
from relsearch.index.registry import open_server
from relsearch.judge.registry import check_judge, open_judge
from relsearch.live.ui.grading import Grading
from relsearch.live.ui.judged import Judged, JudgedTable, JudgingNow
from relsearch.live.ui.orders.preferences import Preferences
from relsearch.live.ui.orders.sources import EngineSource, IndexSource, RunSource, Source
from relsearch.live.ui.orders.systems import JUDGE, BundleSystem, JudgeSystem, System, systems_of
from relsearch.live.ui.turns import Turns

_SUGGESTED = 6
_READ_AHEAD = 60  # queries whose passages the first bundle reads while nobody asks for anything


@dataclass(frozen=True, slots=True)
class Options:
    """What `relsearch ui` was asked for."""

    collection: str | None = None
    url: str | None = None
    index: str | None = None
    fields: dict[str, str] | None = None
    run: Path | None = None
    bundles: Sequence[StrPath] = ("ready",)
    judge: str = "ready"
    judgments: Path | None = None
    qrels: Path = Path("relsearch-ui/human.qrels")
    runs: Path = Path("runs")
    scale: str = "0-3"
    language: str = "english"
    window: int = 30


class Workspace:
    """The source, the systems, grading and preferences; `close` lets another process have the qrels."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._stack = ExitStack()
        self._judge_turns = Turns()
        self._judge: Judge | None = None
        self._config = Config(
            collection=CollectionConfig(source=options.collection or "demo", scale=options.scale),
            label=LabelConfig(judge=options.judge),
        )
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        options = self.options
        check_judge(self._config)
        self.systems: dict[str, System] = systems_of(options.bundles)
        self.systems[JUDGE] = JudgeSystem(self.judge, self._judge_turns)
        collection = load_collection(options.collection) if options.collection else None
        queries = collection.queries() if collection else []
        self.source = self._source(collection)  # before any folder is made, which a failure would leave behind
        notes = options.qrels.with_name(options.qrels.name + ".ui")
        self._stack.enter_context(alone(notes))
        self.preferences = Preferences(notes / "preferences.jsonl")
        self.queries = self.source.answered(queries) if isinstance(self.source, RunSource) else queries
        self.judged: Judged | None = None
        self.grading: Grading | None = None
        if collection:
            known = judgments_table(collection.qrels() if collection.has_qrels() else [])
            self.judged = self._open_judged(queries, known, notes)
            scale, journal = self._config.scale, notes / "grades.jsonl"
            self.grading = Grading(options.qrels, journal, self.judged, scale=scale, known=known)
        if isinstance(self.source, IndexSource):
            Thread(target=self._read_ahead, daemon=True, name="read-ahead").start()

    def judge(self) -> Judge:
        """Return the judge, loaded when it is first asked for; the caller holds its turn."""
        if self._judge is None:
            self._judge = open_judge(self._config)
        return self._judge

    def close(self) -> None:
        """Remove the temporary index and give the lock back."""
        self._stack.close()

    def suggestions(self) -> list[str]:
        """Return texts of some queries, spread over the collection."""
        step = max(1, len(self.queries) // _SUGGESTED)
        return [query.text for query in self.queries[step // 2 :: step]][:_SUGGESTED]

    def _source(self, collection: Collection | None) -> Source:
        options = self.options
        if options.url:
            if not options.index:
                raise ConfigError("ui: --url names a server; name its index with --index")
            return EngineSource(open_server(None, options.url), options.index, options.fields)
        if collection is None:
            raise ConfigError("ui: nothing to search; pass --demo, --collection, or --url with --index")
        if options.run:
            return RunSource(options.run, collection)
        if options.index:
            return IndexSource.open(str(options.collection), collection, Path(options.index))
        folder = self._stack.enter_context(TemporaryDirectory(prefix="relsearch-ui-"))
        return IndexSource.build(str(options.collection), collection, Path(folder))

    def _open_judged(self, queries: Sequence[Query], known: pl.DataFrame, notes: Path) -> Judged:
        if self.options.judgments:
            run = self.source.pool if isinstance(self.source, RunSource) else None
            return JudgedTable(self.options.judgments, queries, run)
        wanted = _unlabelled_first(self.queries, known)
        return JudgingNow(self.judge, self.source, wanted, turns=self._judge_turns, store=notes / "judged")

    def _read_ahead(self) -> None:
        """Let the first bundle read what the collection's queries find, so that comparing them is quick."""
        first = next((each for each in self.systems.values() if isinstance(each, BundleSystem)), None)
        if first is None:
            return
        asked = [*self.suggestions(), *(query.text for query in self.queries[:_READ_AHEAD])]
        for query in asked if not isinstance(self.source, RunSource) else ():
            first.read(self.source.find(query, self.options.window))


def _unlabelled_first(queries: Sequence[Query], known: pl.DataFrame) -> list[Query]:
    labelled = set(known["query_id"])
    return sorted(queries, key=lambda query: query.query_id in labelled)
