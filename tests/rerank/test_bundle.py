"""Opening bundles."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relsearch.core.errors import ArtifactError
from relsearch.rerank.bundle import MANIFEST, MODEL, TOKENIZER, Manifest, open_bundle, open_bundle_of
from relsearch.rerank.cross.onnx_scorer import OnnxScorer


@pytest.fixture
def bundle(tiny_bundles: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the fp32 bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundles["fp32"], tmp_path / "bundle"))


def test_a_bundle_opens_with_its_training_settings(bundle: Path) -> None:
    """The manifest holds what serving needs."""
    manifest = open_bundle_of(bundle, Manifest).manifest
    assert (manifest.variant, manifest.max_length, manifest.pooling) == ("fp32", 64, "mean")
    assert manifest.training_data == "ten documents"
    assert set(manifest.files) == {"model.onnx", "encoder.onnx", "tokenizer.json"}


def test_an_altered_file_is_refused(bundle: Path) -> None:
    """One changed byte is found."""
    content = bytearray((bundle / MODEL).read_bytes())
    content[100] ^= 1
    (bundle / MODEL).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.onnx: differs from its checksum"):
        open_bundle(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    """A bundle copied in part says what it lacks."""
    (bundle / TOKENIZER).unlink()
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: is missing"):
        open_bundle(bundle)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    """Any other folder is not taken for a bundle."""
    with pytest.raises(ArtifactError, match="relsearch export"):
        open_bundle(tmp_path)


def test_a_later_format_is_refused(bundle: Path) -> None:
    """A bundle of a format this version does not know says so."""
    content = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps({**content, "format": 3}))
    with pytest.raises(ArtifactError, match=r"bundle\.json: format"):
        open_bundle(bundle)


def test_an_earlier_format_is_read(bundle: Path) -> None:
    """A bundle that an earlier version wrote is opened."""
    content = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps({**content, "format": 1}))
    assert open_bundle(bundle).manifest.format == 1


def test_a_prior_needs_its_encoder(bundle: Path) -> None:
    """Only a bundle without a prior may lack the encoder's graph."""
    content = json.loads((bundle / MANIFEST).read_text())
    del content["files"]["encoder.onnx"]
    (bundle / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=r"lists no encoder\.onnx"):
        open_bundle(bundle)
    (bundle / MANIFEST).write_text(json.dumps({**content, "prior": None, "encoder": None}))
    assert 0 < OnnxScorer.open(bundle).score("why", ["a cat"])[0] < 1


def test_a_graph_that_is_none_is_refused(bundle: Path) -> None:
    """A file that is whole but no graph gives our error, not onnxruntime's."""
    opened = open_bundle_of(bundle, Manifest)
    (bundle / MODEL).write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match="cannot be loaded by onnxruntime"):
        OnnxScorer(opened)


def test_serving_loads_neither_torch_nor_transformers(bundle: Path) -> None:
    """A bundle scores in a process that never imports them."""
    code = (
        "import sys; from pathlib import Path; from relsearch.rerank.cross.onnx_scorer import OnnxScorer\n"
        "assert len(OnnxScorer.open(Path(sys.argv[1])).score('why', ['a cat'])) == 1\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'scipy', 'onnx', 'polars'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_bundle_renders_with_its_template(bundle: Path) -> None:
    """Documents are rendered as in training."""
    assert OnnxScorer.open(bundle).render({"title": "Cats", "text": "purr", "url": "x"}) == "Cats\npurr"
