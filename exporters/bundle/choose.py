"""Which variant of a bundle ships: the fastest that keeps quality and is faster here, else fp32."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from relsearch.core.errors import ArtifactError, GateError, ModelError, RelsearchError, reason
from relsearch.core.settings.config import ExportConfig, Runtime
from relsearch.exporters.bundle.calibration import calibration_rows
from relsearch.exporters.bundle.cpu import cpu_flags
from relsearch.exporters.bundle.parity import ParityReport, RankList, gate, gate_finite, parity
from relsearch.exporters.bundle.speed import Speed, gate_faster, kept_speed, measure_speed, speed_key
from relsearch.exporters.graphs.quantize import RECIPES, Recipe, halve, quantize, quantize_static
from relsearch.rerank.bundle import ManifestBase, open_bundle, seal
from relsearch.rerank.families import open_scorer
from relsearch.runtime.sessions import Variant
from relsearch.stats.deviation import standard_deviation

# Half precision rounds a logit by about a thousandth of its spread; a broken graph is off by all of it.
_HALF_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What shipped and why; `exact` is fp32 against torch, `tried` is fewer bits against fp32 on ONNX Runtime.

    `tried` is of the recipe that shipped, or of the last one that was refused, None where that could not be written.
    Its `speed` holds for a processor with `cpu_flags`. `last_layer` tells which tokens the cross-encoder's last layer
    computes.
    """

    variant: Variant
    runtime: Runtime
    recipe: str
    reason: str
    exact: ParityReport
    tried: ParityReport | None
    speed: Speed | None
    megabytes: float
    last_layer: str
    cpu_flags: tuple[str, ...]

    def figures(self) -> dict[str, float | str | None]:
        """One flat mapping for reports and bundle.json."""
        parts: list[tuple[str, Mapping[str, float | None]]] = [("fp32_torch", self.exact.figures())]
        parts += [("tried_fp32", each.figures()) for each in (self.tried, self.speed) if each is not None]
        flat = {f"{part}_{name}": value for part, figures in parts for name, value in figures.items()}
        names = ("variant", "runtime", "recipe", "reason", "megabytes", "last_layer")
        return {**{name: getattr(self, name) for name in names}, "cpu_flags": " ".join(self.cpu_flags), **flat}


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way to fewer bits; `write` takes the fp32 bundle and the folder of the new one."""

    name: str
    write: Callable[[Path, Path], ManifestBase]


@dataclass(slots=True)
class _Tried:
    """An attempt's manifest, how it compares, and why it may not ship: `slower`, or for another reason."""

    manifest: ManifestBase | None = None
    parity: ParityReport | None = None
    speed: Speed | None = None
    refusal: str | None = None
    slower: bool = False


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
    the search: those after it are slower. What cannot be written, or gives NaN, does not ship, forced or not.
    """
    refusals: list[str] = []
    report = partial(ExportReport, exact=exact, last_layer=last_layer, cpu_flags=cpu_flags())
    for number, attempt in enumerate(_attempts(config.runtime, lists)):
        folder = fp32.parent / f"attempt-{number}"
        tried = _try(attempt, fp32, folder, lists, graded, config)
        if tried.manifest and (tried.refusal is None or (config.force and tried.speed)):
            passed = "; ".join([*refusals, f"{attempt.name} kept quality within the gate and is faster here"])
            return folder, report(
                variant=tried.manifest.variant,
                runtime=tried.manifest.runtime,
                recipe=attempt.name,
                reason="forced by [export] force" if config.force else passed,
                tried=tried.parity,
                speed=tried.speed,
                megabytes=_megabytes(folder),
            )
        refusals.append(f"{attempt.name} was refused: {tried.refusal}")
        if tried.slower:
            break
    return fp32, report(
        variant="fp32",
        runtime="onnxruntime",
        recipe="fp32",
        reason="; ".join(refusals),
        tried=tried.parity,
        speed=tried.speed,
        megabytes=_megabytes(fp32),
    )


def _try(
    attempt: _Attempt, fp32: Path, folder: Path, lists: list[RankList], graded: pl.DataFrame, config: ExportConfig
) -> _Tried:
    tried = _Tried()
    try:
        tried.manifest = attempt.write(fp32, folder)
        # Documents that were kept would be read at no cost the second time.
        reference, candidate = (open_scorer(bundle, cached_documents=0) for bundle in (fp32, folder))
        tried.parity = parity(reference, candidate, lists, graded)
        gate_finite(tried.parity)
        key = speed_key(open_bundle(fp32).manifest, attempt.name, lists)
        tried.speed = kept_speed(key, lambda: measure_speed(reference, candidate, lists))
        tried.slower = not tried.speed.faster()
        gate_faster(tried.speed)
        gate(tried.parity, config)
    except (GateError, ModelError, ArtifactError) as exc:
        tried.refusal = str(exc).replace(f"{fp32.parent}/", "")  # it stands in bundle.json, which others read
    return tried


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
    off = float(np.abs(np.concatenate(second) - flat).max() / (float(standard_deviation(flat)) or 1.0))
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
    """A bundle whose graphs are made from those of the fp32 bundle, all else the same; GateError where none can be."""
    folder.mkdir(parents=True)
    for path in sorted(fp32.glob("*.onnx")):
        try:
            make(path, folder / path.name)
        except RelsearchError:
            raise
        except Exception as exc:  # the quantisers raise as they like about a graph that they do not know
            raise GateError(f"{path.name} cannot be written as {variant} ({reason(exc)}); ship fp32") from exc
    for path in fp32.glob("*tokenizer.json"):
        shutil.copyfile(path, folder / path.name)
    kind = {"variant": variant, "runtime": runtime}
    return seal(folder, open_bundle(fp32).manifest.model_copy(update=kind)).manifest


def _megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
