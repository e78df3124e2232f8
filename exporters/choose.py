"""Which variant of a bundle ships: the fastest int8 recipe that keeps quality and is faster here, else fp32."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from relsearch.config import ExportConfig
from relsearch.errors import GateError
from relsearch.exporters.cpu import cpu_flags
from relsearch.exporters.parity import ParityReport, RankList, gate, gate_faster, parity
from relsearch.exporters.quantize import RECIPES, Recipe, halve, quantize
from relsearch.rerank.bundle import ManifestBase, Variant, open_bundle, seal
from relsearch.rerank.families import open_scorer

# Half precision rounds a logit by about a thousandth of its spread; a broken graph is off by all of it.
_HALF_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What shipped and why; `exact` is fp32 against torch, `int8` is int8 against fp32.

    `int8` is of the recipe that shipped, or of the last one that was refused; speeds hold for a processor with
    `cpu_flags`. `last_layer` tells which tokens the cross-encoder's last layer computes.
    """

    variant: Literal["fp32", "int8"]
    recipe: str
    reason: str
    exact: ParityReport
    int8: ParityReport
    megabytes: float
    last_layer: str
    cpu_flags: tuple[str, ...]

    def figures(self) -> dict[str, float | str]:
        """One flat mapping for reports and bundle.json."""
        parts = {"fp32_torch": self.exact.figures(), "int8_fp32": self.int8.figures()}
        flat = {f"{part}_{name}": value for part, figures in parts.items() for name, value in figures.items()}
        names = ("variant", "recipe", "reason", "megabytes", "last_layer")
        return {**{name: getattr(self, name) for name in names}, "cpu_flags": " ".join(self.cpu_flags), **flat}


def choose(
    fp32: Path,
    lists: list[RankList],
    graded: pl.DataFrame,
    config: ExportConfig,
    *,
    exact: ParityReport,
    last_layer: str,
) -> tuple[Path, ExportReport]:
    """Return the folder to ship, fp32 itself or one beside it, and the report; grades are from 0.

    Recipes are tried from the fastest to the most exact, until one passes. One that is not faster than fp32 ends
    the search: those after it are slower.
    """
    refusals: list[str] = []
    for number, recipe in enumerate(RECIPES):
        folder = fp32.parent / f"int8-{number}"
        write_int8(fp32, folder, recipe)
        found = parity(open_scorer(fp32), open_scorer(folder), lists, graded)
        about = (exact, found, _megabytes(folder), last_layer, cpu_flags())
        if config.force:
            return folder, ExportReport("int8", recipe.name, "forced by [export] force", *about)
        refusal = _refusal(gate_faster, found) or _refusal(partial(gate, config=config), found)
        if refusal is None:
            reason = "; ".join([*refusals, f"{recipe.name} kept quality within the gate and is faster here"])
            return folder, ExportReport("int8", recipe.name, reason, *about)
        refusals.append(f"{recipe.name} was refused: {refusal}")
        if _refusal(gate_faster, found):
            break
    about = (exact, found, _megabytes(fp32), last_layer, cpu_flags())
    return fp32, ExportReport("fp32", "fp32", "; ".join(refusals), *about)


def write_int8(fp32: Path, folder: Path, recipe: Recipe = RECIPES[0]) -> ManifestBase:
    """Write the int8 bundle of an fp32 bundle, not yet held to the gate."""
    return _derive(fp32, folder, "int8", partial(quantize, recipe=recipe))


def write_half(fp32: Path, folder: Path, lists: list[RankList]) -> Path:
    """Write the fp16 bundle of an fp32 bundle; raise GateError where its scores are not those of fp32."""
    _derive(fp32, folder, "fp16", halve)
    both = [open_scorer(bundle) for bundle in (fp32, folder)]
    first, second = ([scorer.logits(part.query, part.texts) for part in lists] for scorer in both)
    flat = np.concatenate(first)
    off = float(np.abs(np.concatenate(second) - flat).max() / (flat.std() or 1.0))
    if not off <= _HALF_TOLERANCE:
        raise GateError(f"fp16 differs from fp32 by {off:.2g} standard deviations; set [export] half = false")
    return folder


def _derive(fp32: Path, folder: Path, variant: Variant, make: Callable[[Path, Path], None]) -> ManifestBase:
    """A bundle whose graphs are made from those of the fp32 bundle, with all else the same."""
    folder.mkdir(parents=True)
    for path in sorted(fp32.glob("*.onnx")):
        make(path, folder / path.name)
    for path in fp32.glob("*tokenizer.json"):
        shutil.copyfile(path, folder / path.name)
    return seal(folder, open_bundle(fp32).manifest.model_copy(update={"variant": variant})).manifest


def _refusal(check: Callable[[ParityReport], None], report: ParityReport) -> str | None:
    try:
        check(report)
    except GateError as exc:
        return str(exc)
    return None


def _megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
