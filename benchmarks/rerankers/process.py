"""What a reranking process costs beside its arithmetic: tokenising, start-up, memory, and a busy neighbour."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from relsearch.rerank.calibrated import Request
from relsearch.rerank.runtime.tokenising import PairTokenizer

# getrusage would count the process that started this one: its peak lives on through fork and exec.
_PEAK = """
def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
"""
_OURS = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
scorer = OnnxScorer.open(Path(sys.argv[1]))
loaded = time.perf_counter() - started
scorer.score(*json.load(sys.stdin))
print(json.dumps([loaded, peak_mb()]))
"""
_NAIVE = """
import json, sys, time
started = time.perf_counter()
from sentence_transformers import CrossEncoder
scorer = CrossEncoder(sys.argv[1], max_length=int(sys.argv[2]), device="cpu")
loaded = time.perf_counter() - started
query, texts = json.load(sys.stdin)
scorer.predict([(query, text) for text in texts], show_progress_bar=False)
print(json.dumps([loaded, peak_mb()]))
"""
_BUSY = "while True: pass"


def tokenising_ms(tokenizer: Path, request: Request, *, max_length: int) -> dict[str, float]:
    """Return the milliseconds of making a request's inputs from new documents and from kept ones."""
    reader = PairTokenizer(tokenizer, max_length=max_length)
    pairs = [(request[0], text) for text in request[1]]
    cold = _milliseconds(lambda: reader.rows(pairs))
    kept = statistics.median(_milliseconds(lambda: reader.rows(pairs)) for _ in range(5))
    return {"new_documents": round(cold, 2), "kept_documents": round(kept, 2)}


def start_up(model: Path, folder: Path, request: Request, *, max_length: int) -> dict[str, dict[str, float]]:
    """Return seconds until a process is loaded, and its peak memory in MB after one request."""
    found = {variant: _process(_OURS, str(folder / variant), request=request) for variant in ("fp32", "int8")}
    return {**found, "sentence-transformers": _process(_NAIVE, str(model), str(max_length), request=request)}


def busy_neighbour(way: Callable[[], object], *, rounds: int) -> dict[str, float]:
    """Return p50 in quiet and p95 beside a process that keeps one core busy, in milliseconds, and their ratio."""
    quiet = [_milliseconds(way) for _ in range(rounds)]
    with subprocess.Popen([sys.executable, "-c", _BUSY]) as neighbour:
        try:
            beside = [_milliseconds(way) for _ in range(rounds)]
        finally:
            neighbour.kill()
    p50, p95 = statistics.median(quiet), float(np.percentile(beside, 95))
    return {"quiet_p50_ms": round(p50, 1), "busy_p95_ms": round(p95, 1), "ratio": round(p95 / p50, 2)}


def _process(code: str, *arguments: str, request: Request) -> dict[str, float]:
    text = json.dumps([request[0], list(request[1])])
    command = [sys.executable, "-c", _PEAK + code, *arguments]
    output = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    loaded, megabytes = json.loads(output.splitlines()[-1])
    return {"load_s": round(loaded, 2), "peak_mb": round(megabytes)}


def _milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
