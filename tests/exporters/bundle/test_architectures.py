"""What CrossEncoder.predict says of a pair, its bundle says, whatever the architecture and its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relsearch.exporters.bundle.cross_encoder import write_foreign
from relsearch.rerank.cross.onnx_scorer import OnnxScorer
from relsearch.rerank.cross.torch_scorer import load_model, residuals
from tests.architectures import LAYOUTS, TEXTS, saved

# One that is longer than any of the models reads.
DOCUMENTS = [*TEXTS, "", "salt and tea " * 40]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_bundle_says_what_predict_says(name: str, tmp_path: Path) -> None:
    """Logits differ by less than a thousandth of their deviation."""
    model = saved(name, tmp_path / "model")
    manifest = write_foreign(str(model), tmp_path / "bundle", max_length=48)
    wanted = residuals(load_model(model, max_length=manifest.max_length), [(TEXTS[0], text) for text in DOCUMENTS])
    found = OnnxScorer.open(tmp_path / "bundle").logits(TEXTS[0], DOCUMENTS)
    assert np.abs(found - wanted).max() / wanted.std() < 1e-3
