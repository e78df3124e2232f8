"""What one writes in ten minutes: FastAPI around sentence-transformers, one request after the other.

`RERANKER=folder uvicorn benchmarks.serving.plain_server:app`; the service is compared with it.
"""

from __future__ import annotations

import os

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder

app = FastAPI()
model = CrossEncoder(os.environ["RERANKER"], local_files_only=True)


class Asked(BaseModel):
    """A query and its texts."""

    query: str
    texts: list[str]


@app.post("/rerank")
def rerank(asked: Asked) -> list[dict[str, float]]:
    """Return index and score of each text, best first."""
    scores = model.predict([(asked.query, text) for text in asked.texts], show_progress_bar=False)
    rows = [{"index": index, "score": float(score)} for index, score in enumerate(scores)]
    return sorted(rows, key=lambda row: -row["score"])


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the model is loaded."""
    return {"status": "ok"}
