"""The verbs on odd files and odd arguments: the answer is a result or one line, and no file that was there changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st
from typer.main import get_command

from relsearch.cli import app
from relsearch.core import tables
from relsearch.core.errors import RelsearchError
from relsearch.core.types import Judgment
from relsearch.rerank.bundle import SHIPPED
from tests.odd_inputs import NASTY, check_unchanged, contents, odd_bytes, odd_text

CORPUS = (
    '{"_id": "d1", "title": "Tea", "text": "Green tea, steeped."}\n'
    '{"_id": "d2", "title": "Tides", "text": "The sea rises."}\n{"_id": "d3", "text": "Cats purr."}\n'
)
QUERIES = '{"_id": "q1", "text": "green tea"}\n{"_id": "q2", "text": "tides"}\n{"_id": "q3", "text": "cats"}\n'
QRELS = "q1 0 d1 3\nq1 0 d2 0\nq2 0 d2 2\nq2 0 d3 1\nq3 0 d3 2\n"
RUN = "q1 Q0 d1 1 2.5 a\nq1 Q0 d2 2 1.5 a\nq2 Q0 d2 1 3 a\nq2 Q0 d1 2 1 a\nq3 Q0 d1 1 9 a\nq3 Q0 d3 2 8 a\n"
PAIRS = "".join(
    f'{{"query_id": "{q}", "query": "tea", "doc_id": "d{n}", "text": "Tea"}}\n' for q in "ab" for n in (1, 2)
)
OTHER = "q1 Q0 d2 1 2.5 b\nq2 Q0 d2 1 3 b\nq2 Q0 d3 2 1 b\nq3 Q0 d3 1 9 b\n"
SHEET = "query_id,doc_id,query,passage,grade\nq1,d1,green tea,Green,2\nq2,d2,tides,Sea,\nq3,d3,cats,Cats,0\n"
LOG = 'query,count\n"tea, green",3\ntides,1\n'
CONFIG = """output = "out"
seed = 7
[collection]
source = "source"
scale = "0-3"
splits = "splits.tsv"
[pool]
depth = 5
runs = ["a.trec"]
"""
SPLITS = "q1\ttrain\nq2\tdev\nq3\ttest\n"
GATEWAY = '[index.articles]\nfields = { title = "headline" }\nwindow = 100\nmix = 0.5\n'
BODY = '{"query": {"match": {"title": "{{query}}"}}, "size": 10}'
MODEL = '{"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": 8, "num_labels": 1}'
BUNDLE = (SHIPPED / "bundle.json").read_text(encoding="utf-8")
COMMAND = get_command(app)  # made once, since that takes longer than most verbs
MINE = "my own notes\n"
DEAD = "--url http://127.0.0.1:9 --index d"


def _judged() -> bytes:
    graded = [("q1", "d1", 3), ("q1", "d2", 0), ("q2", "d2", 1), ("q3", "d3", 2)]
    stream = BytesIO()
    tables.judgments_table(
        Judgment(query, doc, grade, "judge", "j", (0.1, 0.2, 0.3, 0.4), expected=2.0, confidence=0.3)
        for query, doc, grade in graded
    ).write_parquet(stream)
    return stream.getvalue()


COLLECTION = {"source/corpus.jsonl": CORPUS, "source/queries.jsonl": QUERIES, "source/qrels.tsv": QRELS}
UNLABELLED = {"source/corpus.jsonl": CORPUS, "source/queries.jsonl": QUERIES}
PIPELINE = {"relsearch.toml": CONFIG, "splits.tsv": SPLITS, "a.trec": RUN, **COLLECTION}
LABELS: dict[str, str | bytes] = {"human.qrels": "q1 0 d2 0\n", "judged.parquet": _judged()}


@dataclass(frozen=True, slots=True)
class Verb:
    """A command that works on the files as they are, or that is refused for what lies outside them."""

    command: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    share: float = 0.1  # of the inputs that a reader is tried on
    fixed: bool = False  # the arguments stay: others would reach out, or run the whole pipeline
    kept: str = ""  # the file that stays, for the same reason
    adds_to: str = ""  # the file that it is there to change


VERBS = {
    "evaluate": Verb("evaluate q.qrels a.trec b.trec -m nDCG@10 --resamples 100 --seed 3 --json",
                     {"q.qrels": QRELS, "a.trec": RUN, "b.trec": OTHER}),
    "agree": Verb("agree human.qrels judged.parquet --scale 0-3 --plot diagram.svg --resamples 100 --seed 3",
                  LABELS),
    "report": Verb("report q.qrels a.trec b.trec --collection source --resamples 100 -o new.html",
                   {"q.qrels": QRELS, "a.trec": RUN, "b.trec": OTHER, **COLLECTION}, share=0.05),
    "push": Verb("push bundle owner/name --dry-run", {"bundle/bundle.json": BUNDLE, "bundle/notes.txt": MINE},
                 share=0.05, fixed=True),
    "ui": Verb("ui --collection source --bundle bundle --qrels human.qrels --port 0",
               {"bundle/bundle.json": BUNDLE, "human.qrels": QRELS, **COLLECTION}, share=0.05, fixed=True),
    "rerank": Verb("rerank a.trec --bundle ready --collection source --depth 10 --mix 0.5 --tag mine -o new.trec",
                   {"a.trec": RUN, **COLLECTION}, share=0.03),
    "broken bundles": Verb("rerank a.trec --bundle bundle --collection source -o new.trec",
                           {"bundle/bundle.json": BUNDLE, "bundle/model.onnx": b"\x08", "a.trec": RUN, **COLLECTION}),
    "grade": Verb("grade a.trec --collection source --judge absent --qrels human.qrels -o new.parquet --depth 5",
                  {"a.trec": RUN, "human.qrels": QRELS, **COLLECTION}),
    "grade pairs": Verb("grade pairs -o new --judge human.qrels",
                        {"pairs/a.jsonl": PAIRS, "human.qrels": QRELS}),
    "review --export": Verb("review judged.parquet --collection source --export 3 --run a.trec --qrels human.qrels "
                            "--characters 40 -o new.csv", {"a.trec": RUN, **LABELS, **UNLABELLED}, share=0.2),
    "review --import": Verb("review judged.parquet --import sheet.csv --qrels human.qrels --scale 0-3 --overwrite",
                            {"sheet.csv": SHEET, **LABELS}, adds_to="human.qrels", share=0.3),
    "labels": Verb("labels judged.parquet --format rank-eval --collection source --index d --field text -o new.json",
                   {**LABELS, **UNLABELLED}, share=0.2),
    "queries": Verb("queries log.csv -o new.jsonl --text-key query --count-key count --min-count 1 --drop-personal",
                    {"log.csv": LOG}, share=0.3),
    "ingest": Verb(f"ingest source {DEAD} --language english --k1 0.9 --b 0.4 --template {{text}}", COLLECTION, 0.05),
    "ingest --print": Verb(f"ingest source {DEAD} --language english --k1 0.9 --b 0.4 --template {{text}} --print"),
    "fetch": Verb(f"fetch source {DEAD} --depth 10 --field text=body --body body.json",
                  {"body.json": BODY, "source/queries.jsonl": QUERIES, "source/qrels.tsv": QRELS}, 0.05),
    "sample": Verb(f"sample {DEAD} -n 10 --seed 3 --field text=body -o new", COLLECTION, 0.05),
    "search": Verb(f"search tea {DEAD} --bundle bundle --vectors vectors --size 10 --window 10 --mix 0.5",
                   {"bundle/bundle.json": BUNDLE, "vectors/vectors.json": "{}"}, 0.05),
    "precompute": Verb("precompute source --bundle bundle --vectors vectors",
                       {"bundle/bundle.json": BUNDLE, "vectors/vectors.json": "{}", **COLLECTION}, 0.05),
    "serve": Verb("serve --bundle bundle --vectors vectors --prf 0.5 --port 0 --workers 1 --timeout-s 8",
                  {"bundle/bundle.json": BUNDLE, "vectors/vectors.json": "{}"}),
    "gateway": Verb("gateway --upstream http://127.0.0.1:9 --bundle bundle -c gateway.toml --host 127.0.0.1 --port 0",
                    {"gateway.toml": GATEWAY, "bundle/bundle.json": BUNDLE}),
    "attach": Verb("attach elasticsearch --service-url http://s:1 --service custom --name n --field body --print"),
    "attach opensearch": Verb("attach opensearch --service-url http://s:1 --name n --field body --print"),
    "config": Verb("config --check relsearch.toml", {"relsearch.toml": CONFIG}),
    "config --gateway": Verb("config --gateway --check gateway.toml", {"gateway.toml": GATEWAY}),
    "doctor": Verb("doctor --url http://127.0.0.1:9 --json", share=0.01, fixed=True),
    "detach": Verb("detach elasticsearch --url http://127.0.0.1:9 --name n", share=0.05),
    "export --model": Verb("export --model model -o new --collection source -c relsearch.toml",
                           {"model/config.json": MODEL, "model/notes.txt": MINE, **PIPELINE}, fixed=True),
    "export --model, to itself": Verb("export --model model -o model --collection source -c relsearch.toml",
                                      {"model/config.json": MODEL, **PIPELINE}, 0.05, fixed=True),
    "collect": Verb("collect -c relsearch.toml", PIPELINE),
    "collect over my file": Verb("collect -c relsearch.toml", {"out/collect/mine.txt": MINE, **PIPELINE}, 0.05),
    "run": Verb("run -c relsearch.toml",
                {"relsearch.toml": CONFIG, "splits.tsv": SPLITS, "a.trec": RUN, "source/queries.jsonl": QUERIES},
                fixed=True, kept="relsearch.toml"),
    **{
        verb: Verb(f"{verb} -c relsearch.toml", PIPELINE, 0.05)
        for verb in ("index", "pool", "tune", "judge", "synthesize", "augment", "train", "optimize", "export")
    },
    "pool after the others": Verb("pool -c relsearch.toml", PIPELINE),
}  # fmt: skip
# Stages whose outputs are there when a verb begins.
BEFORE = {"pool after the others": ("collect", "index")}
_NUMBERS = st.sampled_from(["0", "-1", "1", "1.5", "100", "1e9", "nan", "9" * 20, "1000000000"])
_PLACES = st.sampled_from([".", "..", "absent/deeper/new", "/proc/new", "new.gz", "new.parquet"])


@dataclass(frozen=True, slots=True)
class Case:
    """What a folder holds, None being a folder in place of a file, and the arguments."""

    files: dict[str, bytes | None]
    arguments: list[str]


def odd_cases(verb: Verb) -> st.SearchStrategy[Case]:
    """Up to two files are odd, absent or folders, and up to two arguments."""
    files = {name: _as_bytes(data) for name, data in verb.files.items()}
    changes: st.SearchStrategy[dict[str, bytes | str | None]] = st.just({})
    if files:
        changes = st.lists(st.sampled_from(sorted(files.keys() - {verb.kept})), max_size=2, unique=True).flatmap(
            lambda names: st.fixed_dictionaries({name: _odd_file(verb.files[name]) for name in names})
        )
    words = verb.command.split()
    values = NASTY.filter(_fits_a_command_line) | _NUMBERS | _PLACES
    if files:
        values |= st.sampled_from(sorted(files))
    places = st.integers(1, len(words) - 1)
    edits = st.just({}) if verb.fixed else st.dictionaries(places, values, max_size=2)
    return st.tuples(changes, edits).map(
        lambda drawn: Case(_without_absent({**files, **drawn[0]}), _replaced(words, drawn[1]))
    )


def check_case(verb: Verb, case: Case, root: Path, *, before: tuple[str, ...] = ()) -> None:
    """Run the verb on the case twice, in a folder of its own; the second time it may replace its own output."""
    with TemporaryDirectory(dir=root) as name, _working_in(Path(name)) as folder:
        for path, data in case.files.items():
            _write(folder / path, data)
        for stage in before:
            _ends_well([stage, *case.arguments[1:]])
        made = contents(folder)
        if before:
            made = {path: data for path, data in made.items() if not path.is_relative_to(folder / "out")}
        for _ in range(2):
            if not _ends_well(case.arguments):
                check_unchanged(made)
                return
            made.pop(folder / verb.adds_to, None)
            check_unchanged(made)


def _ends_well(arguments: list[str]) -> bool:
    """Whether the verb exits with 0; raise unless it else says one line, or what usage is right."""
    printed, said = (TextIOWrapper(BytesIO(), "utf-8", errors=errors) for errors in ("strict", "backslashreplace"))
    try:
        with redirect_stdout(printed), redirect_stderr(said):
            COMMAND(arguments, prog_name="relsearch")
    except SystemExit as exc:
        return exc.code == 0
    except (RelsearchError, OSError) as exc:  # `main` says these
        if isinstance(exc, RelsearchError) and len(str(exc).splitlines()) != 1:
            raise AssertionError(f"not one line: {exc!r}") from exc
    return False


def _as_bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _odd_file(valid: str | bytes) -> st.SearchStrategy[bytes | str | None]:
    odd: st.SearchStrategy[bytes | str | None] = odd_bytes(_as_bytes(valid))
    if isinstance(valid, str):
        odd |= odd_text(valid)
    return odd | st.sampled_from([b"", None, "absent"])


def _without_absent(files: Mapping[str, bytes | str | None]) -> dict[str, bytes | None]:
    return {name: data for name, data in files.items() if not isinstance(data, str)}


def _fits_a_command_line(text: str) -> bool:
    return "\0" not in text and len(text) < 100_000


def _replaced(words: list[str], edits: Mapping[int, str]) -> list[str]:
    return [edits.get(place, word) for place, word in enumerate(words)]


def _write(path: Path, data: bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)


@contextmanager
def _working_in(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
