"""relsearch.evaluate and relsearch.agree: what the verbs measure, on files, frames and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from relsearch.core.errors import ConfigError
from relsearch.core.measures import default_measures, parse_measures
from relsearch.core.scale import parse_scale
from relsearch.core.types import StrPath
from relsearch.data.frames import LabelsLike, RunLike, Runs, labels_table
from relsearch.measure.agreement import Agreement, agreement, left_out
from relsearch.measure.evaluate import Evaluation, refuse_judge_labels
from relsearch.measure.evaluate import evaluate as evaluate_runs
from relsearch.measure.prediction_powered import evaluate_powered
from relsearch.measure.query_values import inferred_level
from relsearch.measure.reliability import has_probabilities, reliability


def evaluate(
    qrels: LabelsLike,
    runs: Mapping[str, RunLike] | Sequence[StrPath],
    *,
    measures: Sequence[str] = (),
    baseline: str | None = None,
    scale: str | None = None,
    judge_labels: bool = False,
    judgments: LabelsLike | None = None,
    resamples: int = 2000,
    seed: int = 13,
) -> Evaluation:
    """Measure runs as trec_eval does, with 95 % intervals and paired tests against `baseline`, by default the first.

    `qrels` and each run are files, polars or pandas frames, dicts by query and document, or labels of a collection
    (relsearch.data.frames). `runs` names them; runs of a list of files are named by the files. `measures` are
    written as by ir-measures, by default those of the scale. `scale` is 0-3, 1-4, binary or lowest-highest:relevant;
    by default grades count from 0 and 2 is relevant, or 1 where no grade is higher. `judgments` are a judge's labels of
    the labelled queries and of more, by a judge that was not tuned and labels that were not calibrated on these grades:
    `powered` of the result measures on both kinds together (relsearch.measure.prediction_powered).

    Raise ConfigError for a measure, scale or baseline that there is not; DataError for labels or runs that cannot be
    read, that have no query in common, or that come from a judge, unless `judge_labels` allows these.
    """
    names = [measures] if isinstance(measures, str) else list(measures)
    parse_measures(names)
    parsed = parse_scale(scale) if scale is not None else None
    labels = labels_table(qrels, parsed)
    refuse_judge_labels(labels, allow=judge_labels)
    level = parsed.level if parsed else inferred_level(labels)
    lowest, named = parsed.lowest if parsed else 0, Runs(runs if isinstance(runs, Mapping) else named_runs(runs))
    found = evaluate_runs(
        labels,
        named,
        measures=names or default_measures(level),
        resamples=resamples,
        seed=seed,
        lowest=lowest,
        baseline=baseline,
        strict=bool(names),  # asked for by name, a dash is no answer
    )
    if judgments is None:
        return found
    powered = evaluate_powered(
        labels,
        labels_table(judgments, parsed, what="judgments"),
        named,
        measures=list(next(iter(found.estimates.values()))),
        baseline=found.baseline,
        lowest=lowest,
    )
    if not powered.left_out:
        return replace(found, powered=powered)
    note = f"judgments: {powered.left_out} of {len(found.query_ids)} labelled queries are not in the joint intervals: "
    note += "they have no judged label, or no run answers them"
    return replace(found, powered=powered, notes=(*found.notes, note))


def agree(
    human: LabelsLike, judged: LabelsLike, *, scale: str = "0-3", resamples: int = 2000, seed: int = 13
) -> Agreement:
    """Measure how far judged labels agree with human ones on the pairs that both grade; figures have 95 % intervals.

    Labels are given as to `evaluate`. Where the judge's labels have probabilities, `reliability` of the result says how
    well these are calibrated. Raise ConfigError for an unknown scale, DataError where no pair has both labels.
    """
    parsed = parse_scale(scale)
    known, labels = labels_table(human, parsed, what="human labels"), labels_table(judged, parsed, what="judged labels")
    found = agreement(known, labels, parsed, resamples=resamples, seed=seed)
    found = replace(found, notes=(*found.notes, *left_out(known, labels)))
    if not has_probabilities(labels):
        return found
    return replace(found, reliability=reliability(known, labels, parsed, resamples=resamples, seed=seed))


def named_runs(files: Sequence[StrPath]) -> dict[str, Path]:
    """Return runs by name: the file's without its endings, with as many folders as tell it from the others.

    Raise ConfigError where a file is given twice.
    """
    if isinstance(files, str | Path) or not all(isinstance(each, str | Path) for each in files):
        raise ConfigError("runs: give a list of files, or a dict of runs by name")
    paths = [Path(path) for path in files]
    whole = [path.absolute() for path in paths]
    if twice := next((path for path in paths if whole.count(path.absolute()) > 1), None):
        raise ConfigError(f"run {twice} is given twice")
    names = _unique_names(whole, _stem) or _unique_names(whole, lambda path: path.name)
    return dict(zip(names, paths, strict=True))


def _unique_names(paths: Sequence[Path], last: Callable[[Path], str]) -> list[str]:
    """The shortest name of each path that no other one has, of folders and `last`; nothing where one has none."""
    parts = [[*path.parts[1:-1], last(path)] for path in paths]
    found = [[name for name in _endings(each) if _is_unique(name, parts)][:1] for each in parts]
    return [name for names in found for name in names] if all(found) else []


def _endings(parts: list[str]) -> Iterator[str]:
    yield from ("/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))


def _is_unique(name: str, every: Sequence[list[str]]) -> bool:
    length = name.count("/") + 1
    return sum("/".join(each[-length:]) == name for each in every) == 1


def _stem(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in (".gz", ".zst") else path).stem
