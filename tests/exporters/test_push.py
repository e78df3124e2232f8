"""Model cards and publishing: what would be sent, and what a hub receives."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from relsearch.core.errors import ArtifactError, ConfigError
from relsearch.exporters.model_card import model_card, write_model_card
from relsearch.exporters.push import push
from relsearch.judge.judge_card import SHIPPED as READY_JUDGE
from relsearch.rerank.bundle import SHIPPED as READY_BUNDLE
from relsearch.rerank.bundle import LateManifest, check_free, open_bundle, open_bundle_of, seal
from relsearch.rerank.card import write_card
from relsearch.rerank.late.card import LateCard
from tests.http_server import running


class Hub(BaseHTTPRequestHandler):
    """Takes a commit, and keeps its files by name."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - one hub a test process

    def do_POST(self) -> None:
        """Answer what HfApi asks when it makes a repository and commits to it."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer: dict[str, object] = {"url": f"http://{self.headers['Host']}/me/mine"}
        if "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            answer = {
                "files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in asked]
            }
        elif "/commit/" in self.path:
            lines = [json.loads(line)["value"] for line in body.splitlines() if json.loads(line)["key"] == "file"]
            self.files.update({line["path"]: base64.b64decode(line["content"]) for line in lines})
            answer = {"commitUrl": f"http://{self.headers['Host']}/me/mine/commit/a", "commitOid": "a" * 40}
        encoded = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("folder", "task"), [(READY_BUNDLE, "text-ranking"), (READY_JUDGE, "text-classification")])
def test_a_dry_run_lists_the_files_and_sends_nothing(folder: Path, task: str) -> None:
    """All that the folder holds and its card; a card is what the hub reads."""
    found = {each.name: each.size for each in push(folder, "me/mine", dry_run=True)}
    assert found == {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    card = model_card(folder)
    assert card.startswith("---\nlibrary_name: relsearch\n")
    assert f"pipeline_tag: {task}\n" in card
    assert "intfloat/e5-small-v2\n" in card.partition("base_model:")[2].partition("license")[0]


def test_a_card_names_what_runs_the_bundle(tmp_path: Path) -> None:
    """OpenVINO's graphs are not for ONNX Runtime."""
    shutil.copytree(READY_BUNDLE, tmp_path / "bundle")
    manifest = open_bundle(READY_BUNDLE).manifest
    for runtime, named in (("onnxruntime", "for ONNX Runtime (int8)"), ("openvino", "for OpenVINO (int8)")):
        seal(tmp_path / "bundle", manifest.model_copy(update={"runtime": runtime}))
        assert named in model_card(tmp_path / "bundle")


def test_a_folder_that_could_be_a_repository_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """models/mine is not on the hub, where somebody else's model may have that name."""
    shutil.copytree(READY_BUNDLE, tmp_path / "bundle")
    seal(tmp_path / "bundle", open_bundle(READY_BUNDLE).manifest.model_copy(update={"base": "models/mine"}))
    monkeypatch.chdir(tmp_path)
    assert "huggingface.co/models/mine" in model_card(tmp_path / "bundle")
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert "models/mine" not in model_card(tmp_path / "bundle")
    assert "**Base**: `mine`" in model_card(tmp_path / "bundle")


def test_bundles_and_trained_models_name_no_folder_of_this_machine(tmp_path: Path) -> None:
    """What lay in a folder here goes by its name."""
    bundle = Path(shutil.copytree(READY_BUNDLE, tmp_path / "bundle"))
    manifest = open_bundle_of(READY_BUNDLE, LateManifest).manifest
    bases = {"base": str(tmp_path / "models" / "mine"), "second": str(tmp_path / "other")}
    seal(bundle, manifest.model_copy(update=bases))
    shared = ("template", "calibration", "training_data", "queries", "documents", "head", "dimension")
    card = LateCard(
        **bases, max_length=64, seed=0, best_step=0, history=(), **{name: getattr(manifest, name) for name in shared}
    )
    write_card(card, tmp_path)
    for written in (bundle / "bundle.json", tmp_path / "reranker.json"):
        said = json.loads(written.read_text("utf-8"))
        assert (said["base"], said["second"]) == ("mine", "other")
        assert str(tmp_path) not in written.read_text("utf-8")


def test_what_is_no_model_is_not_pushed(tmp_path: Path) -> None:
    """Nor to a repository without an owner."""
    with pytest.raises(ArtifactError, match="no bundle, trained model or judge"):
        push(tmp_path, "me/mine", dry_run=True)
    with pytest.raises(ConfigError, match="'mine': name it OWNER/NAME"):
        push(READY_BUNDLE, "mine", dry_run=True)


def test_a_folder_that_lacks_a_file_is_not_pushed(tmp_path: Path) -> None:
    """Others could not open it."""
    shutil.copytree(READY_JUDGE, tmp_path / "judge")
    (tmp_path / "judge" / "onnx" / "weights.bin").unlink()
    with pytest.raises(ArtifactError, match="judge: is not whole"):
        push(tmp_path / "judge", "me/mine", dry_run=True)


def test_a_bundle_with_its_card_is_replaced_and_one_with_a_users_notes_is_not(tmp_path: Path) -> None:
    """By an export to the same folder."""
    for name in ("bundle.json", "model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((READY_BUNDLE / name).read_bytes())
    write_model_card(tmp_path)
    check_free(tmp_path)
    (tmp_path / "README.md").write_text("my notes", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"README\.md: relsearch did not make it"):
        check_free(tmp_path)


@pytest.mark.slow
def test_the_hub_receives_what_a_dry_run_lists(tmp_path: Path) -> None:
    """Byte for byte, and the card of a folder that has none."""
    for name in ("bundle.json", "model.onnx", "tokenizer.json"):
        (tmp_path / name).symlink_to(READY_BUNDLE / name)
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Hub)) as server:
        settings = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_TOKEN": "t", "HF_HUB_OFFLINE": "0"}
        command = [
            sys.executable,
            "-c",
            "from relsearch.cli import main; main()",
            "push",
            str(tmp_path),
            "me/mine",
            "--json",
        ]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {each["name"] for each in json.loads(done.stdout)["files"]} == Hub.files.keys()
    assert Hub.files["bundle.json"] == (READY_BUNDLE / "bundle.json").read_bytes()
    assert Hub.files["README.md"].decode() == model_card(tmp_path)
