"""The second exporter, optimum's, in an environment of transformers 4.57 of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# Exports the model folder that it is given, and prints how far the bundle is from CrossEncoder.predict.
_EXPORT = """
import sys
from pathlib import Path
import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification
from relsearch.core.settings.config import EncoderConfig
from relsearch.exporters.bundle.cross_encoder import write_foreign
from relsearch.exporters.graphs.checked import export_encoder
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from tests.tiny_models import save_tiny_tokenizer

folder = Path(sys.argv[1])
texts = ["a cat purrs when it is calm", "sea water holds salt", ""]
size = save_tiny_tokenizer(folder / "model", texts)
torch.manual_seed(1)
sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, initializer_range=0.3)
config = BertConfig(vocab_size=size, max_position_embeddings=64, num_labels=1, **sizes)
BertForSequenceClassification(config).save_pretrained(folder / "model")
manifest = write_foreign(str(folder / "model"), folder / "bundle", max_length=32)
wanted = residuals(load_model(folder / "model", max_length=32), [("why", text) for text in texts])
found = OnnxScorer.open(folder / "bundle").logits("why", texts)
encoder = export_encoder(
    EncoderConfig(model=str(folder / "model")), folder / "encoder.onnx", tokenizer=folder / "encoder_tokenizer.json"
)
print(np.abs(found - wanted).max() / wanted.std(), manifest.figures["last_layer"], encoder.pooling)
"""


@pytest.mark.slow
def test_optimum_exports_to_the_same_parity(tmp_path: Path) -> None:
    """Beside transformers 4.57 a cross-encoder's bundle scores as torch does, its last layer cut as here."""
    packages = Path(sys.prefix) / "transformers-4"
    if not packages.is_dir():
        pytest.skip(f"{packages} is absent; make .venv/dev.stamp")
    path = os.pathsep.join([str(packages), str(REPOSITORY)])
    found = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert found.returncode == 0, found.stderr[-3000:]
    off, last_layer = found.stdout.split(maxsplit=1)
    assert float(off) < 1e-3
    assert last_layer.strip() == "first token mean"
