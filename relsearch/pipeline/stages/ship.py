"""What ships: the best new bundle if it passes the quality gate, else what shipped before."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path

import polars as pl

from relsearch.core.errors import DataError
from relsearch.core.files.atomic import copy_folder
from relsearch.core.settings.config import Config
from relsearch.exporters.model_card import write_model_card
from relsearch.judge.registry import LEARNING
from relsearch.measure.quality_gate import Verdict, compare
from relsearch.pipeline.artifacts import Building
from relsearch.pipeline.stages.folds import FOLDED, FOLDS, answerable, folds_need, held_out_run, is_cross_validated
from relsearch.pipeline.stages.inputs import Artefacts, Pools, of_queries
from relsearch.pipeline.stages.runs import COSINE, FIRST_STAGE, baseline_runs, bundle_run
from relsearch.rerank.bundle import ManifestBase, bundle_folder, open_bundle

SHIPPED, REFUSED = "shipped", "refused"  # figures of the export: what ships, and why no new reranker does
_TAUGHT = (
    "Labels of these queries taught the judge whose labels the augmented reranker learnt from: a comparison on queries "
    "that are new to both would be less kind to it."
)
_LOG = logging.getLogger(__name__)


def ship(config: Config, work: Building, arm: str, *, pools: Pools, artefacts: Artefacts) -> None:
    """Put the arm's bundle into `bundle` if it passes the quality gate; `refused` says why where it does not.

    What shipped before then stays, and `shipped` says so: "previous", or "none".
    """
    verdict = judged_at_gate(config, work, arm, pools=pools, artefacts=artefacts)
    work.figures |= {"quality_gate": verdict.to_json(), "table": verdict.to_table()}
    source = work.directory / arm
    if not verdict.passed and config.export.quality_gate != "off":
        work.figures[REFUSED] = verdict.refusal
        before = shipped_before(config, artefacts)
        source, arm = before or source, "previous" if before else "none"
    work.figures[SHIPPED] = arm
    if arm == "none":
        return
    copy_folder(source, work.directory / "bundle")
    if verdict.passed:
        write_model_card(work.directory / "bundle", table=verdict.to_table())
    size = sum(path.stat().st_size for path in (work.directory / "bundle").iterdir())
    work.figures["bundle_mb"] = round(size / 1e6, 1)


def judged_at_gate(config: Config, work: Building, arm: str, *, pools: Pools, artefacts: Artefacts) -> Verdict:
    """Hold an arm's bundle to BM25, the untrained cosine and the bundle that ships, on the dev queries' human labels.

    The bundle has BM25's share and feedback, which the cosine has not: a model that learnt nothing can pass. Where the
    labels are too few to tell, the arm is trained again on folds of training and dev queries, and its runs of the
    queries that each fold left out are held; the bundle that ships may have learnt from them, which is hard on the arm.
    Where there is no dev split, the folds that took its place have been trained. A judge that learnt from these labels
    is easy on the augmented arm (held_out_run), which the verdict notes.
    """
    collected, bundle, export = pools.collected, work.directory / arm, config.export
    before = shipped_before(config, artefacts)
    queries = answerable(collected, "train", "dev", scale=config.scale)
    if not is_cross_validated(collected):
        dev = collected.split("dev")
        first, against = _baselines(config, dev, pools, bundle=bundle, before=before)
        new = bundle_run(config, first, bundle, collected=collected)
        verdict = _compared(config, of_queries(collected.human, dev), new, against, kind="dev")
        if verdict.decided or export.quality_gate == "off" or arm not in FOLDED:
            return verdict
        if len(queries) < folds_need(export.quality_gate_p):
            return verdict
    try:
        new = held_out_run(config, arm, work.directory / FOLDS, pools=pools, artefacts=artefacts)
    except DataError as exc:
        shutil.rmtree(work.directory / FOLDS, ignore_errors=True)
        if is_cross_validated(collected):
            raise
        _LOG.warning("export: no folds could be trained, so that the quality gate cannot tell: %s", exc)
        return verdict
    shutil.rmtree(work.directory / FOLDS, ignore_errors=True)
    against = _baselines(config, queries, pools, bundle=bundle, before=before)[1]
    verdict = _compared(config, of_queries(collected.human, queries), new, against, kind="cross-validated")
    taught = arm == "augmented" and not {*LEARNING}.isdisjoint(config.label.judges)
    return replace(verdict, note=_TAUGHT) if taught else verdict


def _baselines(
    config: Config, queries: Set[str], pools: Pools, *, bundle: Path, before: Path | None
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The first stage of the queries, and the runs that a new bundle has to beat."""
    found = baseline_runs(config, queries, pools=pools)
    first = found[FIRST_STAGE]
    against = {name: found[name] for name in (FIRST_STAGE, COSINE)}
    if before and not _same_model(before, bundle):
        against[SHIPPED] = bundle_run(config, first, before, collected=pools.collected)
    return first, against


def _compared(
    config: Config, human: pl.DataFrame, new: pl.DataFrame, against: Mapping[str, pl.DataFrame], *, kind: str
) -> Verdict:
    return compare(
        human,
        new,
        against,
        measure=config.measures[0],
        margin=config.export.quality_gate_margin,
        max_p=config.export.quality_gate_p,
        seed=config.seed,
        lowest=config.scale.lowest,
        kind=kind,
    )


def shipped_before(config: Config, artefacts: Artefacts) -> Path | None:
    """Return the bundle that ships now: the one that `[export] shipped` names, or the last exported here."""
    if named := config.export.shipped:
        return bundle_folder(named)
    last = artefacts.path("export", "bundle")
    return last if last.is_dir() else None


def _same_model(one: Path, other: Path) -> bool:
    """Tell whether two bundles hold one trained model, maybe in other numbers: it need not beat itself."""
    return _trained(open_bundle(one).manifest) == _trained(open_bundle(other).manifest)


def _trained(manifest: ManifestBase) -> dict[str, object]:
    # Calibration is fitted on the trained model's own logits: no two trainings share it to the last digit.
    return manifest.model_dump(exclude={"format", "variant", "runtime", "mix", "feedback", "figures", "files"})
