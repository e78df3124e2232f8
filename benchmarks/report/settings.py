"""The tables of docs/settings.md: every key of relsearch.toml, when to change it, and what that is measured to gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from benchmarks.report.markdown import table
from benchmarks.report.when import WHEN
from relsearch.core.settings.config import Config
from relsearch.core.settings.reference import toml_value
from relsearch.core.settings.section import Section

# By section and key, where a table measures it; benchmarks/README.md has the intervals.
GAINS: Mapping[str, str] = {
    "index.searchers": "NDCG@10 of BM25 on cranfield: embedded 0.352, Lucene, Elasticsearch, OpenSearch 0.351",
    "encoder.model": "TREC DL 2019, NDCG@10 of the cosine: MiniLM-L6 0.641, e5-small-v2 0.701; BM25 0.506",
    "judge.family": "over the retrieval features alone, AUC: llm -0.000, encoder +0.000; ready judge +0.008",
    "judge.more_encoders": "MiniLM beside e5: log-likelihood -1.040 to -1.025, kappa +0.010",
    "judge.retrieval_features": "log-likelihood: cosine -1.125, with feedback -1.082, contrast -1.056, z -1.040",
    "label.judge": "ready: +0.010 NDCG@10 (p 0.070) on TREC DL 2019; reranker, 10 labelled queries: +0.008 (p 0.073) "
    "cranfield, +0.009 vaswani, -0.010 cnil-fr; tuned llm: +0.000 AUC over its retrieval features",
    "label.query_calibration_grades": "kappa of the ready judge: 3 grades +0.039, 5 +0.064, 10 +0.090",
    "synthesize.sources": "kept of those written, cranfield: llm 5 of 185, phrases 44 of 198, titles 57 of 63",
    "augment.policies": "NDCG@10 over human labels, cranfield and vaswani: fill -0.004, +0.009; unlabelled +0.012, "
    "+0.009; both +0.014, +0.009; synthetic +0.006, -0.005 (p 1.0 each)",
    "augment.labels": "soft 0.423, hard 0.411 NDCG@10 on cranfield",
    "train.family": "late over cross on TREC DL 2019: +0.011 (p 1.0); 227 times as fast, documents known",
    "train.listwise_weight": "listwise alone +0.008 (p 1.0)",
    "train.pointwise_weight": "pointwise alone -0.004 (p 1.0)",
    "train.encoder": "e5-small-v2 over MiniLM-L6, cross: +0.065 NDCG@10 (p 0.042)",
    "optimize.enabled": "over human labels: +0.014 cranfield, +0.009 vaswani (p 1.0), as without it",
    "export.runtime": "over sentence-transformers, AMX: int8 4.3 times; openvino int8 5.3, bf16 5.9",
    "export.first_stage_weight": "ready reranker at 0.2: cranfield +0.018, vaswani +0.024, scifact +0.039 NDCG@10",
    "export.prf_weight": "ready reranker at 0.3: cranfield +0.017 (p 0.000), vaswani +0.005, scifact +0.000",
}


def settings() -> str:
    """Return a table a section: key, default, meaning, when to change it, and the gain where it was measured."""
    return "\n\n".join(_sections(Config, "")) + "\n"


def keys(model: type[BaseModel] = Config, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key that a file can set, by its dotted path, with its field."""
    for name, field in model.model_fields.items():
        where = f"{path}.{name}" if path else name
        if isinstance(field.default, Section):
            yield from keys(type(field.default), where)
        else:
            yield where, field


def _sections(model: type[Section], path: str) -> Iterator[str]:
    own = [(name, field) for name, field in model.model_fields.items() if not isinstance(field.default, Section)]
    title = f"`[{path}]`" if path else "Top of the file"
    rows = [_row(f"{path}.{name}" if path else name, name, field) for name, field in own]
    about = " ".join((model.__doc__ or "").split())
    yield f"## {title}\n\n{about}\n\n{table(['key', 'default', 'meaning', 'when to change it'], rows)}"
    for name, field in model.model_fields.items():
        if isinstance(field.default, Section):
            yield from _sections(type(field.default), f"{path}.{name}" if path else name)


def _row(path: str, name: str, field: FieldInfo) -> list[str]:
    default = "" if field.default is None else f"`{toml_value(field.default)}`"
    advice = f"{WHEN[path]}. Measured: {GAINS[path]}" if path in GAINS else WHEN[path]
    return [f"`{name}`", default, (field.description or "").replace("|", "\\|"), advice]
