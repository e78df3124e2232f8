"""Model cards as the hub reads them: metadata in YAML on top, then what the model is, how to use it, its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relsearch.core.errors import ArtifactError
from relsearch.core.files.atomic import replace_text
from relsearch.core.settings.config import Runtime
from relsearch.encoders.model_source import is_of_hub, public_name
from relsearch.judge.judge_card import CARD as JUDGE
from relsearch.judge.judge_card import read_card as read_judge_card
from relsearch.rerank.bundle import MANIFEST, MODEL_CARD, MODEL_CARD_MARK, LateManifest, open_bundle
from relsearch.rerank.card import CARD as TRAINED
from relsearch.rerank.card import Card
from relsearch.rerank.families import open_card

_TASKS = {"reranker": "text-ranking", "judge": "text-classification"}
_RUNTIMES: Mapping[Runtime, str] = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
_USE_RELSEARCH = (
    "use relsearch, or `relsearch serve` with the bundle that `relsearch export` makes, which speaks the protocol of "
    "text-embeddings-inference."
)
_UNKNOWN_LICENCE = "not known; look it up before you share this"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a folder says of its model."""

    kind: Literal["reranker", "judge"]
    base: str
    trained_on: str
    about: str
    figures: Mapping[str, object]
    second: str | None = None


def write_model_card(folder: Path, *, table: str = "") -> None:
    """Write README.md into the folder of a bundle, a trained model or a judge.

    `table` has measures on held-out labels. Raise ArtifactError where the folder is none of these.
    """
    replace_text(folder / MODEL_CARD, model_card(folder, table=table))


def model_card(folder: Path, *, table: str = "") -> str:
    """Return the card that write_model_card writes."""
    facts = _facts(folder)
    licence, revision = facts.figures.get("base_licence"), facts.figures.get("base_revision")
    beside = facts.figures.get("second_licence")
    lines = [
        "---",
        MODEL_CARD_MARK,
        f"pipeline_tag: {_TASKS[facts.kind]}",
        "tags:",
        "- relsearch",
        f"- {facts.kind}",
        *_base_models(facts),
        *([f"license: {licence}"] if licence and (not facts.second or beside == licence) else []),
        "---",
        "",
        f"# A {facts.kind} made by relsearch",
        "",
        facts.about,
        "",
        f"- **Base**: {_shown(facts.base)}" + (f", revision `{revision}`" if revision else ""),
        f"- **Licence of the base**: {licence or _UNKNOWN_LICENCE}",
        *(
            [f"- **Second encoder**: {_shown(facts.second)}; licence: {beside or _UNKNOWN_LICENCE}"]
            if facts.second
            else []
        ),
        f"- **Trained on**: {facts.trained_on}",
        "",
        "```python",
        "import relsearch",
        "",
        f'model = relsearch.{facts.kind.capitalize()}("OWNER/NAME")  # this repository, or its folder',
        "```",
        *_table_of(facts.figures),
        *(["", "## Measured on held-out human labels", "", "```text", table, "```"] if table else []),
    ]
    return "\n".join(lines) + "\n"


def _facts(folder: Path) -> _Facts:
    if (folder / MANIFEST).is_file():
        manifest = open_bundle(folder).manifest
        family, second = ("late", manifest.second) if isinstance(manifest, LateManifest) else ("cross", None)
        about = (
            f"A bundle of the family `{family}` for {_RUNTIMES[manifest.runtime]} ({manifest.variant}): it needs no "
            "torch. Scores are calibrated probabilities of relevance."
        )
        return _Facts("reranker", manifest.base, manifest.training_data, about, manifest.figures, second)
    if (folder / TRAINED).is_file():
        card = open_card(folder)
        return _Facts("reranker", card.base, card.training_data, _about_trained(card), card.figures(), card.second)
    if (folder / JUDGE).is_file():
        judge = read_judge_card(folder)
        about = (
            f"Grades query-document pairs on {judge.scale.lowest}-{judge.scale.highest} "
            f"({', '.join(judge.names)}), with the probability of each grade. `adapter/` has the layout of PEFT."
        )
        figures = {**judge.figures, **_nested(judge.figures.get("tuned"))}
        return _Facts("judge", judge.judge.base, "human grades", about, figures)
    raise ArtifactError(f"{folder}: no bundle, trained model or judge; name the folder of one")


def _base_models(facts: _Facts) -> list[str]:
    """The metadata that name those bases that the hub has."""
    named = [name.partition("@")[0] for name in (facts.base, facts.second) if name and is_of_hub(name)]
    if len(named) < 2:
        return [f"base_model: {name}" for name in named]
    return ["base_model:", *(f"- {name}" for name in named)]


def _nested(figures: object) -> dict[str, object]:
    return figures if isinstance(figures, dict) else {}


def _about_trained(card: object) -> str:
    if not isinstance(card, Card):
        return (
            "Late interaction: `SentenceTransformer(folder)` gives its encoder's pooled vectors, by `encode_query` and "
            "`encode_document`. Its scores need token vectors, the head in `reranker.json` and, where there is "
            "one, the second encoder as well: "
            f"{_USE_RELSEARCH}"
        )
    if card.prior is None:
        return (
            "A cross-encoder: `CrossEncoder(folder)` of sentence-transformers gives its logits. Scores of relsearch "
            f"are sigmoid({card.calibration.slope:.6g} * logit + {card.calibration.intercept:.6g})."
        )
    return (
        "A cross-encoder on top of the cosine of a dense encoder: its score is the sum of both. "
        "`CrossEncoder(folder)` of sentence-transformers and text-embeddings-inference read the added part alone, "
        f"which is no ranking by itself: {_USE_RELSEARCH}"
    )


def _table_of(figures: Mapping[str, object]) -> Iterator[str]:
    in_header = ("base_licence", "base_revision")
    rows = [
        (name, each) for name, each in figures.items() if name not in in_header and isinstance(each, str | int | float)
    ]
    if rows:
        yield from ("", "## Figures", "", "| figure | value |", "| --- | --- |")
    for name, each in rows:
        yield f"| {name} | {f'{each:.4g}' if isinstance(each, float) else each} |"


def _shown(base: str) -> str:
    if is_of_hub(base):
        return f"[{base}](https://huggingface.co/{base.partition('@')[0]})"
    return f"`{public_name(base)}`"
