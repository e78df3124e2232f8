"""Which variant of a bundle ships: the fastest that keeps quality and is faster here, else fp32."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from relsearch.config import ExportConfig
from relsearch.errors import GateError
from relsearch.exporters.calibration import calibration_rows
from relsearch.exporters.cpu import cpu_flags
from relsearch.exporters.parity import ParityReport, RankList, gate, gate_faster, parity
from relsearch.exporters.quantize import RECIPES, Recipe, halve, quantize, quantize_static
from relsearch.rerank.bundle import ManifestBase, open_bundle, seal
from relsearch.rerank.families import open_scorer
from relsearch.rerank.sessions import Variant
from relsearch.settings import Runtime

# Half precision rounds a logit by about a thousandth of its spread; a broken graph is off by all of it.
_HALF_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What shipped and why; `exact` is fp32 against torch, `tried` is fewer bits against fp32 on ONNX Runtime.

    `tried` is of the recipe that shipped, or of the last one that was refused; speeds hold for a processor with
    `cpu_flags`. `last_layer` tells which tokens the cross-encoder's last layer computes.
    """

    variant: Variant
    runtime: Runtime
    recipe: str
    reason: str
    exact: ParityReport
    tried: ParityReport
    megabytes: float
    last_layer: str
    cpu_flags: tuple[str, ...]

    def figures(self) -> dict[str, float | str]:
        """One flat mapping for reports and bundle.json."""
        parts = {"fp32_torch": self.exact.figures(), "tried_fp32": self.tried.figures()}
        flat = {f"{part}_{name}": value for part, figures in parts.items() for name, value in figures.items()}
        names = ("variant", "runtime", "recipe", "reason", "megabytes", "last_layer")
        return {**{name: getattr(self, name) for name in names}, "cpu_flags": " ".join(self.cpu_flags), **flat}


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way to fewer bits; `write` takes the fp32 bundle and the folder of the new one."""

    name: str
    write: Callable[[Path, Path], ManifestBase]


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
    report = partial(ExportReport, exact=exact, last_layer=last_layer, cpu_flags=cpu_flags())
    for number, attempt in enumerate(_attempts(config.runtime, lists)):
        folder = fp32.parent / f"attempt-{number}"
        manifest = attempt.write(fp32, folder)
        found = parity(open_scorer(fp32), open_scorer(folder), lists, graded)
        slower = _refusal(gate_faster, found)
        refusal = slower or _refusal(partial(gate, config=config), found)
        if refusal is None or config.force:
            passed = "; ".join([*refusals, f"{attempt.name} kept quality within the gate and is faster here"])
            return folder, report(
                variant=manifest.variant,
                runtime=manifest.runtime,
                recipe=attempt.name,
                reason="forced by [export] force" if config.force else passed,
                tried=found,
                megabytes=_megabytes(folder),
            )
        refusals.append(f"{attempt.name} was refused: {refusal}")
        if slower:
            break
    reason = "; ".join(refusals)
    return fp32, report(
        variant="fp32", runtime="onnxruntime", recipe="fp32", reason=reason, tried=found, megabytes=_megabytes(fp32)
    )


def _attempts(runtime: Runtime, lists: Sequence[RankList]) -> list[_Attempt]:
    """The recipes of a runtime, from the fastest to the most exact."""
    if runtime == "openvino":
        static = _Attempt("OpenVINO int8", partial(write_static, lists=lists))
        # With AMX bfloat16 is faster than int8, and a tenth as far from fp32.
        return [*(() if "amx_bf16" in cpu_flags() else (static,)), _Attempt("OpenVINO bf16", write_bfloat)]
    return [_Attempt(recipe.name, partial(write_int8, recipe=recipe)) for recipe in RECIPES]


def write_int8(fp32: Path, folder: Path, recipe: Recipe = RECIPES[0]) -> ManifestBase:
    """Write the int8 bundle of an fp32 bundle, not yet held to the gate."""
    return _derive(fp32, folder, "int8", partial(quantize, recipe=recipe))


def write_static(fp32: Path, folder: Path, lists: Sequence[RankList]) -> ManifestBase:
    """Write the OpenVINO int8 bundle of an fp32 bundle, its ranges fixed on these lists; not yet held to the gate."""
    rows = calibration_rows(open_bundle(fp32), lists)

    def make(source: Path, target: Path) -> None:
        quantize_static(source, target, rows[source.name])

    return _derive(fp32, folder, "int8", make, runtime="openvino")


def write_bfloat(fp32: Path, folder: Path) -> ManifestBase:
    """Write the OpenVINO bundle that computes an fp32 bundle's graphs in bfloat16, not yet held to the gate."""
    return _derive(fp32, folder, "bf16", shutil.copyfile, runtime="openvino")


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


def _derive(
    fp32: Path,
    folder: Path,
    variant: Variant,
    make: Callable[[Path, Path], object],
    *,
    runtime: Runtime = "onnxruntime",
) -> ManifestBase:
    """A bundle whose graphs are made from those of the fp32 bundle, with all else the same."""
    folder.mkdir(parents=True)
    for path in sorted(fp32.glob("*.onnx")):
        make(path, folder / path.name)
    for path in fp32.glob("*tokenizer.json"):
        shutil.copyfile(path, folder / path.name)
    kind = {"variant": variant, "runtime": runtime}
    return seal(folder, open_bundle(fp32).manifest.model_copy(update=kind)).manifest


def _refusal(check: Callable[[ParityReport], None], report: ParityReport) -> str | None:
    try:
        check(report)
    except GateError as exc:
        return str(exc)
    return None


def _megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
