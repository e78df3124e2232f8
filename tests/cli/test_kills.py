"""Every long verb goes on after Ctrl-C and kill -9: nothing is lost, nothing doubled, and it says how far it is."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from relsearch.core.files.atomic import files_in
from relsearch.core.files.journal import ROWS
from relsearch.data.demo.documents import stdlib_documents
from relsearch.judge.judge_card import CARD as JUDGE_CARD
from relsearch.rerank.card import CARD
from tests import killing

pytestmark = pytest.mark.slow

_CHECKPOINT = "trainer_state.json"
_DOCUMENTS, _QUERIES, _DEPTH = 900, 60, 9
_APART = 2e-4  # of a loss or a weight: processes sum in another order, and a judge's weights are halves
_CONFIG = """
output = "{output}"
[collection]
source = "{collection}"
[pool]
depth = 24
dev_share = 0.3
test_share = 0.1
[encoder]
model = "{bert}"
[judge]
base = "{llama}"
max_document_tokens = 16
[tune]
layers = 1
rank = 2
lists_per_step = 2
documents_per_query = 2
max_pairs = 64
evaluations = 4
dev_pairs = 8
calibration_pairs = 40
[label]
judge = "tuned"
depth = 24
query_calibration_grades = 0
[synthesize]
base = "{llama}"
sources = ["llm"]
documents = 100
sample = 100
queries_per_document = 6
max_query_tokens = 12
hard_negatives = 1
random_negatives = 0
[augment]
policies = ["unlabelled", "synthetic"]
force = true
[train]
base = "{bert}"
dimension = 8
max_length = 64
documents_per_query = 4
lists_per_step = 2
max_steps = 20
evaluations = 4
patience = 9
dev_depth = 10
"""


@dataclass(frozen=True)
class Case:
    """A verb's command line, the files that keep its work as it is done, and what it makes; `@` is the project."""

    command: str
    kept: str
    made: str
    compared: tuple[str, ...] = ("",)  # files of what it made, where that is a folder

    def arguments(self, project: Path) -> list[str]:
        """Return the command line in a project."""
        return self.command.replace("@", str(project)).split()

    def done(self, project: Path) -> list[object]:
        """Return the units of work that its files keep; of checkpoints, of which the newest counts, its steps."""
        paths = sorted(project.glob(self.kept))
        if self.kept.endswith(_CHECKPOINT):
            return list(range(max(map(_steps, paths), default=0)))
        return [unit for path in paths for unit in _units(path)]

    def results(self, project: Path) -> list[bytes]:
        """Return what it made."""
        return [(project / self.made / name).read_bytes() for name in self.compared]


CASES = {
    "tune": Case(
        "tune -c @/relsearch.toml",
        f"out/tune.partial/checkpoints/checkpoint-*/{_CHECKPOINT}",
        "out/tune",
        ("adapter/adapter_model.safetensors", "adapter/head.safetensors", "held_out.parquet"),
    ),
    "judge": Case("judge -c @/relsearch.toml", "out/judgments/part-*.parquet", "out/judge", ("judgments.parquet",)),
    "synthesize": Case(
        "synthesize -c @/relsearch.toml",
        "out/written/written.jsonl",
        "out/synthesize",
        ("queries.parquet", "judgments.parquet", "../written/written.jsonl"),
    ),
    "train": Case(
        "train -c @/relsearch.toml",
        f"out/train-human.partial/checkpoints/checkpoint-*/{_CHECKPOINT}",
        "out/train-human",
        ("model.safetensors",),
    ),
    "rerank": Case(
        "rerank @/run.trec --bundle @/bundle --collection @/collection -o @/reranked.trec",
        f"reranked.trec.unfinished/{ROWS}",
        "reranked.trec",
    ),
    "precompute": Case(
        "precompute @/collection --bundle @/bundle --vectors @/vectors",
        "vectors/keys.u64",
        "vectors",
        ("keys.u64", "ends.i64", "pooled.f16", "tokens.i8"),
    ),
    "grade": Case(
        f"grade @/run.trec --collection @/collection --judge @/out/tune --depth {_DEPTH} -o @/graded.parquet",
        "graded.parquet.store/part-*.parquet",
        "graded.parquet",
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, tiny_llama: Path, late_bundle: Path) -> Path:
    """A project where every verb ran unbroken."""
    project = tmp_path_factory.mktemp("whole")
    shutil.copytree(late_bundle, project / "bundle")
    documents = list(islice(stdlib_documents(), _DOCUMENTS))
    rows = [{"_id": each.doc_id, "text": each.fields["text"][:200]} for each in documents]
    (project / "collection").mkdir()
    _write_lines(project / "collection" / "corpus.jsonl", rows)
    asked = documents[:: _DOCUMENTS // _QUERIES][:_QUERIES]
    queries = [{"_id": f"q{number}", "text": each.fields["title"]} for number, each in enumerate(asked)]
    _write_lines(project / "collection" / "queries.jsonl", queries)
    ids = [[rows[(15 * query + 7 * rank) % _DOCUMENTS]["_id"] for rank in range(_DEPTH)] for query in range(_QUERIES)]
    ranked = [(query, rank, doc) for query, docs in enumerate(ids) for rank, doc in enumerate(docs, 1)]
    run = [f"q{query} Q0 {doc} {rank} {1 / rank} x\n" for query, rank, doc in ranked]
    (project / "run.trec").write_text("".join(run), encoding="utf-8")
    labels = [f"q{query} 0 {doc} {4 - rank}\n" for query, rank, doc in ranked if rank <= 4]
    (project / "collection" / "qrels.txt").write_text("".join(labels), encoding="utf-8")
    folders = {"output": project / "out", "collection": project / "collection", "bert": tiny_bert, "llama": tiny_llama}
    (project / "relsearch.toml").write_text(_CONFIG.format(**folders), encoding="utf-8")
    stages = [f"{stage} -c @/relsearch.toml" for stage in ("collect", "index", "pool")]
    made = {name: case.command for name, case in CASES.items()}
    log = project / "log"
    before = [*stages, made.pop("tune"), made.pop("judge"), made.pop("synthesize"), "augment -c @/relsearch.toml"]
    for command in (*before, *made.values()):
        assert killing.run(command.replace("@", str(project)).split(), log) == 0, log.read_text("utf-8")
    return project


@pytest.mark.parametrize("verb", CASES)
def test_a_killed_verb_goes_on(verb: str, whole: Path, tmp_path: Path) -> None:
    """Interrupted, killed and then let run to its end, it makes what an unbroken run makes."""
    case, project, log = CASES[verb], tmp_path / "project", tmp_path / "log"
    _copy_without(case, whole, project)
    arguments = case.arguments(project)
    assert killing.stop(arguments, log, lambda: case.done(project), by=signal.SIGINT) == 130
    said = log.read_text("utf-8").splitlines()
    assert said[-1] == "relsearch: interrupted; the same command goes on where it stopped"
    assert killing.stop(arguments, log, lambda: case.done(project), by=signal.SIGKILL) == -signal.SIGKILL
    assert killing.run(arguments, log) == 0, log.read_text("utf-8")
    assert case.results(project) == case.results(whole)
    shown = re.findall(r"^(.+): +\d+ %, \d+ of \d+ .+/s, .+ left$", log.read_text("utf-8"), re.MULTILINE)
    assert shown, log.read_text("utf-8")


@pytest.mark.parametrize(("verb", "killed"), [("tune", 1), ("train", 0)])
def test_two_processes_train_as_one(verb: str, killed: int, whole: Path, tmp_path: Path) -> None:
    """Two processes that share each step, one of them killed on the way, reach the losses and weights of one.

    The first alone decides when to stop, prints and writes: the second one's minutes are over after a step.
    """
    case, project, logs = CASES[verb], tmp_path / "project", [tmp_path / "log-0", tmp_path / "log-1"]
    _copy_without(case, whole, project)
    config = (project / "relsearch.toml").read_text("utf-8")
    hasty = re.sub("^(?=layers|patience)", "minutes = 1e-9\n", config, flags=re.MULTILINE)
    (project / "hasty.toml").write_text(hasty, encoding="utf-8")
    arguments = case.arguments(project)
    commands = [arguments, [each.replace("relsearch.toml", "hasty.toml") for each in arguments]]
    ended = killing.run_together(commands, logs, lambda: case.done(project), killed=killed)
    assert ended[killed] == -signal.SIGKILL
    assert ended[1 - killed] == 1, logs[1 - killed].read_text("utf-8")
    (said,) = re.findall("^relsearch: .*", logs[1 - killed].read_text("utf-8"), re.MULTILINE)
    assert said.startswith(f"relsearch: process {1 - killed} cannot go on: ")
    for log in logs:
        log.unlink()
    assert killing.run_together(commands, logs) == [0, 0], [log.read_text("utf-8") for log in logs]
    assert logs[1].read_text("utf-8") == ""
    ours, theirs = project / case.made, whole / case.made
    assert files_in(ours) == files_in(theirs)
    for name in (name for name in case.compared if name.endswith(".safetensors")):
        tensors, expected = load_file(ours / name), load_file(theirs / name)
        assert {key: tensors[key].shape for key in tensors} == {key: expected[key].shape for key in expected}
        assert max(float(np.abs(tensors[key] - expected[key]).max()) for key in tensors) < _APART
    assert _losses(ours) == pytest.approx(_losses(theirs), abs=_APART)


def _losses(folder: Path) -> dict[int, float]:
    """The loss of each step, as the card of a judge or of a reranker has it."""
    path = next(path for path in (folder / JUDGE_CARD, folder / CARD) if path.is_file())
    card = json.loads(path.read_text("utf-8"))
    return dict(card.get("losses") or card["figures"]["losses"])


def _copy_without(case: Case, whole: Path, project: Path) -> None:
    """Copy a project, without what a verb makes and keeps."""
    shutil.copytree(whole, project)
    config = (project / "relsearch.toml").read_text("utf-8").replace(f"{whole}/out", f"{project}/out")
    (project / "relsearch.toml").write_text(config, encoding="utf-8")
    for path in {*project.glob(f"{case.made}*"), *project.glob(str(Path(case.kept).parent))}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _units(path: Path) -> Iterable[object]:
    """What is done by one file, the unit that is being written left out."""
    if path.suffix == ".jsonl":
        return [json.loads(line)["key"] for line in path.read_text("utf-8").split("\n")[:-1]]
    if path.suffix == ".parquet":
        return pl.read_parquet(path, columns=["key"])["key"].to_list()
    content = path.read_bytes()
    return [content[start : start + 16] for start in range(0, len(content) // 16 * 16, 16)]


def _steps(checkpoint: Path) -> int:
    """The training steps before a checkpoint; 0 while it is being written, or where a newer one took its place."""
    try:
        content = checkpoint.read_text("utf-8")
    except FileNotFoundError:
        return 0
    return int(json.loads(content)["global_step"]) if content.endswith("}\n") else 0


def _write_lines(path: Path, rows: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
