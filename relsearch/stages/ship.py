"""What ships: the best new bundle if it passes the guard, else what shipped before."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from relsearch.artifacts import Building
from relsearch.atomic import copy_folder
from relsearch.guard import Verdict, hold
from relsearch.rerank.bundle import ManifestBase, bundle_folder, open_bundle
from relsearch.stages.context import Context
from relsearch.stages.runs import COSINE, FIRST_STAGE, baseline_runs, bundle_run

SHIPPED = "shipped"


def ship(context: Context, work: Building, arm: str) -> None:
    """Put the arm's bundle into `bundle` if the guard of `[export]` lets it; `refused` says why where it does not.

    What shipped before then stays, and `shipped` says so: "previous", or "none".
    """
    verdict = held_to_guard(context, work.directory / arm)
    work.figures |= {"guard": verdict.to_json(), "table": verdict.to_table()}
    source = work.directory / arm
    if not verdict.passed and context.config.export.guard != "off":
        work.figures["refused"] = verdict.refusal
        source, arm = shipped_before(context) or source, "previous" if shipped_before(context) else "none"
    work.figures[SHIPPED] = arm
    if arm == "none":
        return
    copy_folder(source, work.directory / "bundle")
    size = sum(path.stat().st_size for path in (work.directory / "bundle").iterdir())
    work.figures["bundle_mb"] = round(size / 1e6, 1)


def held_to_guard(context: Context, bundle: Path) -> Verdict:
    """Hold a bundle to BM25, the untrained cosine and the bundle that ships, on the dev queries' human labels."""
    config = context.config
    dev = context.split("dev")
    found = baseline_runs(context, dev)
    first = found[FIRST_STAGE]
    against = {name: found[name] for name in (FIRST_STAGE, COSINE)}
    before = shipped_before(context)
    if before and not _same_model(before, bundle):
        against[SHIPPED] = bundle_run(context, first, before)
    return hold(
        context.human.filter(pl.col("query_id").is_in(dev)),
        bundle_run(context, first, bundle),
        against,
        measure=config.measures[0],
        margin=config.export.guard_margin,
        max_p=config.export.guard_p,
        seed=config.seed,
        lowest=config.scale.lowest,
    )


def shipped_before(context: Context) -> Path | None:
    """Return the bundle that ships now: the one that `[export] shipped` names, or the last exported here."""
    if named := context.config.export.shipped:
        return bundle_folder(named)
    last = context.path("export", "bundle")
    return last if last.is_dir() else None


def _same_model(one: Path, other: Path) -> bool:
    """Tell whether two bundles hold one trained model, maybe in other numbers: it need not beat itself."""
    return _trained(open_bundle(one).manifest) == _trained(open_bundle(other).manifest)


def _trained(manifest: ManifestBase) -> dict[str, object]:
    # Calibration is fitted on the trained model's own logits: no two trainings share it to the last digit.
    return manifest.model_dump(exclude={"format", "variant", "runtime", "mix", "feedback", "figures", "files"})
