"""Exported judges: the grades of the torch judge, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relsearch.core.errors import ArtifactError, ConfigError
from relsearch.core.query_pool import pools_of
from relsearch.core.settings.config import JudgeConfig
from relsearch.core.types import Pair
from relsearch.exporters.bundle.judge import export_judge
from relsearch.judge.judge_card import read_card
from relsearch.judge.models.loading import load_torch_judge
from relsearch.judge.onnx.manifest import FOLDER, MANIFEST, WEIGHTS
from relsearch.judge.tuned import load_judge
from tests.command import relsearch
from tests.judge.conftest import TuneHalf

pytestmark = pytest.mark.slow

_READY = """
import sys
from relsearch.core.query_pool import QueryPool
from relsearch.judge.tuned import load_judge
texts = "Mount Everest rises 8,849 metres above the sea.", "A sourdough needs flour, water, salt and time."
(labels,) = load_judge("ready").judge([QueryPool("q", "how high is mount everest", ("a", "b"), texts)])
print(*(label.expected for label in labels), *({"torch", "transformers"} & sys.modules.keys()))
"""


@pytest.fixture(scope="module")
def tuned_encoder(encoder_config: JudgeConfig, tune_half: TuneHalf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tuned judge of the encoder family."""
    folder = tmp_path_factory.mktemp("encoder")
    tune_half(encoder_config, folder)
    return folder


@pytest.fixture(scope="module")
def exported(tuned_encoder: Path, pairs: list[Pair], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same judge as ONNX."""
    output = tmp_path_factory.mktemp("exported") / "judge"
    export_judge(tuned_encoder, output, pools=pools_of(pairs))
    return output


def test_scores_are_those_of_torch(tuned_encoder: Path, exported: Path, pairs: list[Pair]) -> None:
    """Weights of 8 bits move a score by less than a fiftieth of its deviation."""
    pools = pools_of(pairs)
    wanted = load_torch_judge(tuned_encoder, read_card(tuned_encoder)).scores(pools)
    found = load_judge(exported).scores(pools)
    assert np.abs(found - wanted).max() < 0.02 * wanted.std()


def test_vectors_that_are_kept_give_the_same_scores(exported: Path, pairs: list[Pair], tmp_path: Path) -> None:
    """A second judge reads the first one's vectors, kept in half precision."""
    pools = pools_of(pairs)
    first = load_judge(exported, keep=tmp_path).scores(pools)
    assert list(tmp_path.rglob("*.npz"))
    np.testing.assert_allclose(load_judge(exported, keep=tmp_path).scores(pools), first, atol=1e-3)


def test_truncated_documents_are_counted(exported: Path) -> None:
    """Only a text beyond [judge] max_document_tokens counts."""
    judge = load_judge(exported)
    list(judge.judge(pools_of([Pair("q", "a", "sea", "short"), Pair("q", "b", "sea", "wave " * 500)])))
    assert judge.truncated == 1


def test_blanks_before_a_document_are_not_read(exported: Path) -> None:
    """Nor do they make it one that is read in part."""
    judge = load_judge(exported)
    padded, plain = judge.judge(
        pools_of([Pair("q", "a", "sea", " " * 60_000 + "a wave"), Pair("r", "a", "sea", "a wave")])
    )
    assert padded[0].expected == pytest.approx(plain[0].expected, abs=1e-4)
    assert judge.truncated == 0


@pytest.mark.parametrize("change", ["weights", "missing", "card"])
def test_what_is_not_whole_is_refused(exported: Path, tmp_path: Path, change: str) -> None:
    """A file that is altered or missing, and graphs beside another judge's card, are named in one line."""
    folder = tmp_path / "judge"
    shutil.copytree(exported, folder)
    if change == "weights":
        (folder / FOLDER / WEIGHTS).write_bytes(b"other")
    elif change == "missing":
        (folder / FOLDER / "pair.onnx").unlink()
    else:
        manifest = json.loads((folder / FOLDER / MANIFEST).read_text("utf-8"))
        (folder / FOLDER / MANIFEST).write_text(json.dumps(manifest | {"judge": "0123"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="export the judge again"):
        load_judge(folder)


def test_an_llm_is_not_exported(judge_config: JudgeConfig, tune_half: TuneHalf, tmp_path: Path) -> None:
    """Only the encoder family has graphs."""
    tune_half(judge_config, tmp_path / "llm")
    with pytest.raises(ConfigError, match="encoder family"):
        export_judge(tmp_path / "llm", tmp_path / "out", pools=[])


def test_the_ready_judge_grades_without_torch() -> None:
    """It imports neither torch nor transformers, and expects more of an answer than of a text about something else."""
    answer, other = subprocess.check_output([sys.executable, "-c", _READY], text=True).split()
    assert float(answer) > float(other)


def test_the_verb_exports_a_judge(tuned_encoder: Path, tmp_path: Path) -> None:
    """`relsearch export --judge` writes a folder that opens, and says how many grades are torch's."""
    command = ["export", "--judge", str(tuned_encoder), "-o", str(tmp_path / "judge"), "--json"]
    done = relsearch(*command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same_grades"] >= 0.99
    load_judge(tmp_path / "judge")
