"""Every stage on a small collection with tiny models, as a user runs them from a relsearch.toml."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from relsearch.core.errors import ArtifactError
from relsearch.core.settings.config import Config
from relsearch.core.settings.load import load_config
from relsearch.core.types import Document
from relsearch.pipeline.order import STAGES, run_verb, stage_fingerprint, stages_of
from relsearch.rerank.bundle import SHIPPED
from tests.command import Done, relsearch
from tests.rerank.tiny_reranker import GRADES

pytestmark = pytest.mark.slow

_QUERIES = {
    "q1": "why does a cat purr",
    "q2": "how to steep green tea",
    "q3": "why are there tides",
    "q4": "why is the sky blue",
    "q5": "what do cats eat",
    "q6": "how salty is sea water",
    "q7": "black tea in boiling water",
    "q8": "red light at sunset",
    # With these, 20 or more remain besides the test: below that, each training is three by cross-validation.
    "q9": "how long do cats sleep",
    "q10": "oolong leaves and milk",
    "q11": "currents of the deep ocean",
    "q12": "colours of the rainbow",
    "q13": "whiskers and claws",
    "q14": "caffeine in a cup",
    "q15": "pull of the moon",
    "q16": "clouds at dawn",
    "q17": "teaching a kitten tricks",
    "q18": "cold brew with lemon",
    "q19": "salt left by evaporation",
    "q20": "stars seen by night",
    "q21": "feline hunting of mice",
    "q22": "porcelain pots",
    "q23": "surf on a beach",
    "q24": "scattering by small particles",
    "q25": "litter box advice",
    "q26": "tannin makes it bitter",
    "q27": "depth of the pacific",
    "q28": "sunlight through dust",
    "q29": "vaccines for pets",
    "q30": "jasmine flavour",
    "q31": "harbour at low water",
    "q32": "northern lights",
}
_UNLABELLED = {"u1": "when do kittens open their eyes", "u2": "waves and wind at sea"}
_CONFIG = """
output = "{output}"
[collection]
source = "{collection}"
[pool]
depth = 8
dev_share = 0.25
test_share = 0.25
[encoder]
model = "{bert}"
[judge]
base = "{llama}"
max_document_tokens = 32
[tune]
layers = 1
rank = 2
evaluations = 1
[label]
judge = "tuned"
depth = 1
[synthesize]
base = "{llama}"
documents = 6
max_query_tokens = 8
[augment]
policies = ["all"]
force = true
[train]
family = "late"
dimension = 8
base = "{bert}"
max_length = 64
max_steps = 4
evaluations = 1
[optimize]
enabled = true
rounds = 1
trials = 1
repool_depth = 8
[export]
force = true
quality_gate = "off"
[evaluate]
resamples = {resamples}
"""


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory, documents: list[Document]) -> Path:
    """The ten documents as a BEIR folder; eight queries graded by topic, two without grades."""
    folder = tmp_path_factory.mktemp("collection")
    rows = [{"_id": document.doc_id, **document.fields} for document in documents]
    (folder / "corpus.jsonl").write_text(_lines(rows), encoding="utf-8")
    queries = [{"_id": query, "text": text} for query, text in {**_QUERIES, **_UNLABELLED}.items()]
    (folder / "queries.jsonl").write_text(_lines(queries), encoding="utf-8")
    grades = {document.doc_id: GRADES.get(document.doc_id.split("-")[0], 0) for document in documents}
    qrels = [f"{query}\t0\t{doc}\t{grade}\n" for query in _QUERIES for doc, grade in grades.items()]
    (folder / "qrels.tsv").write_text("".join(qrels), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, collection: Path, tiny_bert: Path, tiny_llama: Path) -> Path:
    """A relsearch.toml whose every stage has been run once."""
    path = tmp_path_factory.mktemp("project") / "relsearch.toml"
    folders = {"output": path.parent / "out", "collection": collection, "bert": tiny_bert, "llama": tiny_llama}
    path.write_text(_CONFIG.format(**folders, resamples=200), encoding="utf-8")
    assert {status for _, status in _statuses(path)} == {"done"}
    return path


# Sections of which stages name single keys.
_BY_KEY = {name.partition(".")[0] for stage in STAGES for name in stage.sections if "." in name}


class Recording(Config):
    """A config that knows which of its sections were read, and of some which keys."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        """Return the attribute, and note a section's name."""
        found = super().__getattribute__(name)
        if name in _BY_KEY:
            return _Keys(name, found)
        if name in Config.model_fields:
            Recording.read.add(name)
        return found


class _Keys:
    """A section that notes its keys as they are read."""

    def __init__(self, name: str, section: Any) -> None:
        self._name, self._section = name, section

    def __getattr__(self, key: str) -> Any:
        Recording.read.add(f"{self._name}.{key}")
        return getattr(self._section, key)


def test_a_stage_depends_on_every_setting_that_it_reads(config: Path, tmp_path: Path) -> None:
    """What a stage read and did not name would leave it up to date when that changes."""
    from relsearch.pipeline.artifacts import Building

    recording = Recording.model_validate(load_config(_copied(config, tmp_path)).model_dump())
    known: dict[str, set[str]] = {}
    for stage in stages_of(recording):
        # Where labels are made, [run], does not change them.
        known[stage.name] = {"seed", "output", "run", *stage.sections}.union(*(known[before] for before in stage.after))
        work = Building(tmp_path / "again" / stage.name)
        work.directory.mkdir(parents=True)
        Recording.read.clear()
        stage.run(recording, work)
        unnamed = {name for name in Recording.read if not {name, name.partition(".")[0]} & known[stage.name]}
        assert unnamed == set(), stage.name


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("qrels.tsv", "q1\t0\tsea-1\t3", "q1\t0\tsea-1\t2"),
        ("queries.jsonl", "why does a cat purr", "why do cats purr"),
        ("corpus.jsonl", "gravity of the moon", "gravity of the Moon"),
    ],
)
def test_a_changed_collection_is_collected_again(
    config: Path, collection: Path, tmp_path: Path, name: str, old: str, new: str
) -> None:
    """Labels that people added under the same path reach all that learns from them, and so do documents and queries."""
    folder = Path(shutil.copytree(collection, tmp_path / "collection"))
    copy = _copied(config, tmp_path)
    _change(copy, str(collection), str(folder))
    list(run_verb("collect", load_config(copy)))
    assert [each.status for each in run_verb("collect", load_config(copy))] == ["up to date"]
    _change(folder / name, old, new)
    with pytest.raises(ArtifactError, match="collect: absent or outdated"):
        list(run_verb("index", load_config(copy)))
    assert [each.status for each in run_verb("collect", load_config(copy))] == ["done"]


def test_a_cut_run_and_a_changed_split_count(config: Path, tmp_path: Path) -> None:
    """What [pool] runs and [collection] splits name counts by what is in it."""
    run, splits = tmp_path / "run.trec", tmp_path / "splits.tsv"
    run.write_text("q1 Q0 cat-1 1 2.0 mine\nq1 Q0 cat-2 2 1.0 mine\n", "utf-8")
    names = [*_QUERIES, *_UNLABELLED]
    splits.write_text("".join(f"{name}\ttrain\n" for name in names), "utf-8")
    settings = load_config(config)
    settings = settings.model_copy(
        update={
            "output": tmp_path / "out",
            "pool": settings.pool.model_copy(update={"runs": (run,)}),
            "collection": settings.collection.model_copy(update={"splits": splits}),
        }
    )
    before = {name: stage_fingerprint(name, settings) for name in ("collect", "pool")}
    assert before == {name: stage_fingerprint(name, settings) for name in ("collect", "pool")}
    run.write_text("q1 Q0 cat-1 1 2.0 mine\n", "utf-8")
    assert stage_fingerprint("pool", settings) != before["pool"]
    splits.write_text("".join(f"{name}\tdev\n" for name in names), "utf-8")
    assert stage_fingerprint("collect", settings) != before["collect"]


def test_a_model_that_changed_under_its_name_counts(config: Path, tiny_bert: Path, tmp_path: Path) -> None:
    """Another checkpoint in the folder that [train] base names is another base."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "bert"))
    settings = load_config(config)
    settings = settings.model_copy(update={"train": settings.train.model_copy(update={"base": str(folder)})})
    before = stage_fingerprint("train-human", settings)
    assert stage_fingerprint("train-human", settings) == before
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert stage_fingerprint("train-human", settings) != before


def test_a_second_run_has_nothing_to_do(config: Path) -> None:
    """All stages are up to date, in their order."""
    assert _statuses(config) == [(stage.name, "up to date") for stage in stages_of(load_config(config))]


def test_a_changed_setting_runs_the_stages_that_depend_on_it(config: Path, tmp_path: Path) -> None:
    """Only `agree` and what comes after it read [evaluate], and of its keys `measures` counts at the end alone."""
    changed = _copied(config, tmp_path)
    _change(changed, "resamples = 200", "resamples = 300")
    again = {name for name, status in _statuses(changed) if status == "done"}
    assert again == {"agree", "augment", "train-augmented", "optimize", "export", "rerank", "evaluate"}

    def outdated(section: str, **changes: object) -> set[str]:
        before = load_config(config)
        after = before.model_copy(update={section: getattr(before, section).model_copy(update=changes)})
        names = [stage.name for stage in stages_of(before)]
        return {name for name in names if stage_fingerprint(name, after) != stage_fingerprint(name, before)}

    everything = {stage.name for stage in stages_of(load_config(config))}
    assert outdated("evaluate", measures=("RR",)) == {"export", "rerank", "evaluate"}
    assert outdated("pool", depth=7) == everything - {"collect", "index"}
    assert outdated("pool", near_duplicate=0.5) == everything


def test_a_stage_made_anew_with_other_content_runs_what_follows(config: Path, tmp_path: Path) -> None:
    """A reranker that was trained again by hand under the same settings is exported and measured again."""
    copy = _copied(config, tmp_path)
    trained = load_config(copy).output / "train-augmented"
    manifest = json.loads((trained / "manifest.json").read_text("utf-8"))
    manifest["files"]["model.safetensors"] = "0" * 64
    (trained / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    again = {name for name, status in _statuses(copy) if status == "done"}
    assert again == {"optimize", "export", "rerank", "evaluate"}


def test_the_table_shows_every_arm_against_bm25(config: Path) -> None:
    """The last table holds BM25, the untrained cosine and both rerankers, and fits a terminal."""
    shown = _relsearch("run", "-c", str(config)).stdout
    assert all(run in shown for run in ("bm25", "cosine", "human_reranker", "augmented_reranker", "optimized_reranker"))
    assert max(map(len, shown.splitlines())) <= 80


def test_a_run_ends_with_its_report(config: Path) -> None:
    """It has the comparison, every training's curve, the judge beside people, each stage's time and the settings."""
    from relsearch.report import from_run_folder, render

    output = config.parent / "out"
    done = _relsearch("run", "-c", str(config))
    assert f"report: {output / 'report.html'}: " in done.stderr
    data = from_run_folder(output)
    assert (output / "report.html").read_text("utf-8") == render(data)
    figures = json.loads((output / "evaluate" / "manifest.json").read_text("utf-8"))["figures"]
    assert data.evaluation is not None
    assert data.evaluation.to_json() == figures["result"]
    rerankers, losses, judge, judge_losses = (curves.lines for curves in data.curves)
    assert list(rerankers) == list(losses) == ["human_reranker", "augmented_reranker", "optimized_reranker"]
    assert [line[0][0] for line in (rerankers["human_reranker"], judge["judge"])] == [0, 0]
    assert losses["human_reranker"][-1][0] == rerankers["human_reranker"][-1][0]
    assert all(value > 0 for _, value in judge_losses["judge"])
    assert data.judge is not None
    assert [stage.name for stage in data.stages] == [stage.name for stage in stages_of(load_config(config))]
    assert {"human, train", "synthetic, train"} <= data.label_counts.keys()


def test_no_query_that_is_measured_was_learnt_from(config: Path) -> None:
    """Examples are of training, unlabelled and written queries, and of a pair there is one."""
    import polars as pl

    output = config.parent / "out"
    split: dict[str, str] = {}
    for stage in ("augment", "collect"):
        split |= dict(pl.read_parquet(output / stage / "queries.parquet").select("query_id", "split").iter_rows())
    examples = pl.read_parquet(output / "augment" / "examples.parquet")
    assert {split[query] for query in examples["query_id"]} - {"synthetic"} == {"train", "unlabelled"}
    assert examples.select("query_id", "doc_id").is_duplicated().sum() == 0
    human = examples.filter(pl.col("source") == "human")
    assert {split[query] for query in human["query_id"]} == {"train"}


def test_written_queries_pass_every_filter(config: Path) -> None:
    """Each one that is kept is unlike the others, and has its own document with a relevant grade."""
    import polars as pl

    folder = config.parent / "out" / "synthesize"
    counts = json.loads((folder / "manifest.json").read_text("utf-8"))["figures"]["kept"]
    assert {"llm", "titles", "phrases", "all"} <= counts.keys()
    every = counts["all"]
    assert every["written"] >= every["distinct"] >= every["round_trip"] >= every["relevant"]
    assert every["round_trip"] > 0
    judged = pl.read_parquet(folder / "judgments.parquet")
    sources = judged.filter(pl.col("role") == "source")
    assert sources.height == every["relevant"] == pl.read_parquet(folder / "queries.parquet").height
    assert (sources["grade"] >= 2).all()
    assert (judged.filter(pl.col("role") != "source")["grade"] < 2).all()


def test_labels_of_relevant_documents_alone_are_enough(
    config: Path, collection: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Qrels as BEIR writes them make a judge and cross-encoders: the rest counts as irrelevant, and it is said."""
    folder = tmp_path / "positives"
    shutil.copytree(collection, folder)
    rows = (collection / "qrels.tsv").read_text("utf-8").splitlines(keepends=True)
    (folder / "qrels.tsv").write_text("".join(row for row in rows if not row.endswith("\t0\n")), encoding="utf-8")
    path = Path(shutil.copy(config, tmp_path))
    _change(path, str(config.parent / "out"), str(tmp_path / "out"))
    _change(path, str(collection), str(folder))
    _change(path, 'policies = ["all"]', 'policies = ["fill", "unlabelled"]')
    _change(path, "[optimize]\nenabled = true", "[optimize]\nenabled = false")
    _change(path, 'family = "late"', 'family = "cross"')
    figures: dict[str, Any] = {}
    for verb in ("collect", "index", "pool", "tune", "judge", "augment", "train", "export"):
        figures |= {result.name: result.figures for result in run_verb(verb, load_config(path))}
    assert "no label has grade 0" in caplog.text
    assert figures["pool"]["assumed_irrelevant"] > 0
    # The judge read one candidate a query; where it did, its label took the place of the assumption.
    assert {"human", "assumed", "judge", "unlabelled"} <= figures["augment"].keys()
    # Four steps, or one where cross-validation chose the untrained weights.
    assert {figures[stage]["steps"] for stage in ("train-human", "train-augmented")} <= {1, 4}


def test_the_reranker_labels_what_people_did_not(config: Path, tmp_path: Path) -> None:
    """As the judge it stands before labelling; no judge is tuned; other weights beside its scores mean other labels."""
    copy = _copied(config, tmp_path)
    _change(copy, 'judge = "tuned"', 'judge = "reranker"')
    done = dict(_statuses(copy))
    assert "tune" not in done
    assert done["train-human"] == "up to date"
    assert {done[name] for name in ("judge", "synthesize", "augment", "train-augmented")} == {"done"}
    _change(copy, "[export]", "[export]\nfirst_stage_weight = 0.5")
    again = dict(_statuses(copy))
    assert again["train-human"] == "up to date"
    assert again["judge"] == again["synthesize"] == "done"


def test_what_was_written_is_kept_when_a_stage_starts_over(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number of negatives needs no new query, and the judge is told what the search found for each."""
    from relsearch.pipeline.stages import judges
    from relsearch.synthesis.writer.causal import QueryWriter

    told, judge_of = [], judges.judge_of

    def telling(*args: Any, pools: Any, **rest: Any) -> Any:
        told.append(pools.first_stage)
        return judge_of(*args, pools=pools, **rest)

    copy = _copied(config, tmp_path)
    _change(copy, "max_query_tokens = 8", "max_query_tokens = 8\nhard_negatives = 4")
    monkeypatch.setattr(QueryWriter, "write", lambda *_: pytest.fail("wrote again"))
    monkeypatch.setattr(judges, "judge_of", telling)
    before = json.loads((copy.parent / "out" / "synthesize" / "manifest.json").read_text("utf-8"))["figures"]
    assert [result.status for result in run_verb("synthesize", load_config(copy))][-1] == "done"
    after = json.loads((copy.parent / "out" / "synthesize" / "manifest.json").read_text("utf-8"))["figures"]
    assert after["kept"] == before["kept"]
    synthetic = told[-1].filter(told[-1]["query_id"].str.starts_with("synthetic-"))
    assert synthetic["query_id"].n_unique() == before["kept"]["all"]["distinct"]
    assert synthetic["score"].n_unique() > 1


def test_a_given_reranker_is_calibrated_on_the_training_queries(config: Path) -> None:
    """As `[label] judge` it has thresholds on their grades; where there are no such queries, on shares of a pool."""
    from relsearch.judge.self_training import RerankerJudge
    from relsearch.judge.teacher import PoolShareJudge
    from relsearch.pipeline.stages.inputs import Artefacts, Collected, Pools
    from relsearch.pipeline.stages.judges import judge_of

    output = config.parent / "out"
    settings = load_config(config)
    label = settings.label.model_copy(update={"judge": f"reranker:{output / 'train-human'}"})
    settings = settings.model_copy(update={"label": label})
    for hidden, kind in (frozenset[str](), RerankerJudge), (frozenset({"train"}), PoolShareJudge):
        collected = Collected(output / "collect", settings.collection.template, hidden=hidden)
        judge = judge_of(settings, pools=Pools(output / "pool", collected), artefacts=Artefacts(output))
        assert isinstance(judge, kind)


def test_human_grades_calibrate_the_judge_s_labels(config: Path, tmp_path: Path) -> None:
    """Labels of training queries move, those of queries that the judge is measured on do not."""
    import polars as pl

    def judged(grades: int) -> pl.DataFrame:
        copy = _copied(config, tmp_path / str(grades))
        _change(copy, "[label]\n", f"[label]\nquery_calibration_grades = {grades}\n")
        _change(copy, "depth = 1\n", "depth = 8\n")
        output = copy.parent / "out"
        queries = pl.read_parquet(output / "collect" / "queries.parquet").select("query_id")
        every = queries.join(pl.read_parquet(output / "collect" / "documents.parquet").select("doc_id"), how="cross")
        rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("query_id")
        pools = every.with_columns(rank=rank, score=pl.lit(1.0), searcher=pl.lit("all"))
        pools.write_parquet(output / "pool" / "candidates.parquet")
        for table in ("collect/qrels", "pool/labels"):  # what nobody labelled is judged
            labels = pl.read_parquet(output / f"{table}.parquet")
            labels.filter(~pl.col("doc_id").str.ends_with("2")).write_parquet(output / f"{table}.parquet")
        list(run_verb("judge", load_config(copy)))
        return pl.read_parquet(output / "judge" / "judgments.parquet").sort("query_id", "doc_id")

    calibrated, own = judged(19), judged(0)
    assert calibrated.select("query_id", "doc_id").equals(own.select("query_id", "doc_id"))
    queries = pl.read_parquet(config.parent / "out" / "collect" / "queries.parquet")
    moved = calibrated.with_columns(moved=calibrated["expected"] != own["expected"]).join(queries, on="query_id")
    assert set(moved.filter("moved")["split"]) == {"train"}


def test_optimizing_never_sees_a_test_query(config: Path, tmp_path: Path) -> None:
    """Where test queries, their labels and their pools are gone, the outcome is the same to the last bit."""
    import polars as pl

    from relsearch.pipeline.artifacts import Building
    from relsearch.pipeline.stages.inputs import Artefacts, open_pools
    from relsearch.pipeline.stages.refine import optimize

    output = config.parent / "out"
    blind = tmp_path / "out"
    shutil.copytree(output, blind, ignore=shutil.ignore_patterns("optimize", "export", "rerank", "evaluate"))
    queries = pl.read_parquet(blind / "collect" / "queries.parquet")
    test = queries.filter(pl.col("split") == "test")["query_id"]
    assert len(test) > 0
    for table in ("collect/queries", "collect/qrels", "pool/candidates", "pool/first_stage", "pool/labels"):
        path = blind / f"{table}.parquet"
        pl.read_parquet(path).filter(~pl.col("query_id").is_in(test.implode())).write_parquet(path)
    work = Building(tmp_path / "optimize")
    work.directory.mkdir()
    settings = load_config(config).model_copy(update={"output": blind})
    optimize(settings, work, pools=open_pools(settings), artefacts=Artefacts(blind))
    figures = json.loads((output / "optimize" / "manifest.json").read_text("utf-8"))["figures"]
    assert figures == work.figures
    assert figures["rounds"][0]["judged"] > 0
    assert figures["trials"]["finished"] == 1
    assert figures["dev_ndcg10"] >= figures["dev_ndcg10_start"]
    weights = (folder / "model" / "model.safetensors" for folder in (output / "optimize", work.directory))
    assert len({path.read_bytes() for path in weights}) == 1


def test_the_guard_keeps_what_ships(config: Path, tmp_path: Path) -> None:
    """A reranker that cannot win is refused with the remedy, after the tables; the old bundle stays."""
    changed = _copied(config, tmp_path)
    export = tmp_path / "out" / "export"
    before = _files(export / "bundle")
    _change(changed, 'quality_gate = "off"', 'quality_gate = "off"\nquality_gate_margin = 1.0\nquality_gate_p = 0.5')
    for old, gate in (("off", "refuse"), ("refuse", "report")):
        _change(changed, f'quality_gate = "{old}"', f'quality_gate = "{gate}"')
        done = relsearch("export", "-c", str(changed))
        assert _files(export / "bundle") == before
        assert done.returncode == int(gate == "refuse"), done.stderr
        assert ("does not beat (nDCG@10) bm25" in done.stderr) == (gate == "refuse")
        assert "not beaten" in done.stdout
        assert "export: refused in" in done.stderr
    figures = json.loads((export / "manifest.json").read_text("utf-8"))["figures"]
    assert figures["shipped"] == "previous"


def test_folds_tell_where_dev_queries_are_too_few(config: Path, tmp_path: Path) -> None:
    """Eight dev queries cannot show a gain at p 0.001; 24 that folds held out can, and no fold's model is left."""
    changed = _copied(config, tmp_path)
    _change(changed, 'quality_gate = "off"', 'quality_gate = "report"\nquality_gate_p = 0.001')
    _change(changed, "[optimize]\nenabled = true", "[optimize]\nenabled = false")
    (result,) = run_verb("export", load_config(changed))
    gate = result.figures["quality_gate"]
    assert isinstance(gate, dict)
    assert (gate["kind"], gate["queries"]) == ("cross-validated", 24)
    assert "n=24 cross-validated" in str(result.figures["table"])
    assert not (tmp_path / "out" / "export" / "folds").exists()


def test_the_ready_reranker_ships_where_a_new_one_does_not_beat_it(config: Path, tmp_path: Path) -> None:
    """`[export] shipped = "ready"` holds new ones to it, keeps it where they lose, and shows it in the last table."""
    changed = _copied(config, tmp_path)
    _change(changed, 'quality_gate = "off"', 'quality_gate = "report"\nquality_gate_margin = 1.0\nshipped = "ready"')
    for verb in ("export", "rerank", "evaluate"):
        figures = [each.figures for each in run_verb(verb, load_config(changed))][-1]
    assert "\nshipped " in str(figures["table"])
    assert _files(tmp_path / "out" / "export" / "bundle") == _files(SHIPPED)


def test_the_bundle_reranks_a_run_without_torch(
    config: Path, collection: Path, tiny_bundles: dict[str, Path], tmp_path: Path
) -> None:
    """`rerank` gives what the pipeline's own rerank stage gave, in a process that cannot import torch.

    A second bundle gives the same candidates other scores.
    """
    output = config.parent / "out"
    arm = json.loads((output / "export" / "manifest.json").read_text("utf-8"))["figures"]["shipped"]
    blocked = "import sys; sys.modules.update(torch=None, transformers=None); from relsearch.cli import main; main()"
    command = ["rerank", str(output / "rerank" / "bm25.trec"), "--bundle", str(output / "export" / "bundle")]
    command += ["--collection", str(collection), "--tag", f"{arm}_reranker"]
    expected = (output / "rerank" / f"{arm}_reranker.trec").read_text("utf-8")
    for to_file in (["-o", str(tmp_path / "run.trec")], []):
        called = [sys.executable, "-c", blocked, *command, *to_file]
        done = subprocess.run(called, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        queries = len({line.split()[0] for line in expected.splitlines()})
        written = f"{tmp_path / 'run.trec'}: {queries} queries, {len(expected.splitlines())} candidates\n"
        assert done.stdout == (written if to_file else expected)
    assert (tmp_path / "run.trec").read_text("utf-8") == expected
    called = [sys.executable, "-c", blocked, *command, "--cascade", str(tiny_bundles["int8"])]
    twice = subprocess.run([*called, "--cascade-window", "3"], capture_output=True, text=True, check=True).stdout
    assert twice != expected
    candidates, again = (sorted(line.split()[:3] for line in run.splitlines()) for run in (expected, twice))
    assert again == candidates
    late = subprocess.run([*called, "--budget-ms", "5"], capture_output=True, text=True, check=False)
    assert (late.returncode, late.stdout) == (1, "")
    assert "leave out --cascade" in late.stderr


def _copied(config: Path, folder: Path) -> Path:
    """A project in a folder of its own with all that this one has made."""
    shutil.copytree(config.parent / "out", folder / "out")
    copy = Path(shutil.copy(config, folder))
    _change(copy, str(config.parent / "out"), str(folder / "out"))
    return copy


def _change(config: Path, old: str, new: str) -> None:
    text = config.read_text("utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _statuses(config: Path) -> list[tuple[str, str]]:
    results = json.loads(_relsearch("run", "-c", str(config), "--json").stdout)
    return [(result["name"], result["status"]) for result in results]


def _relsearch(*arguments: str) -> Done:
    done = relsearch(*arguments)
    assert done.returncode == 0, done.stderr
    return done


def _lines(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
