"""Which copies of a hub's repository are whole."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import pytest

from relsearch.encoders.hub import _OURS
from relsearch.encoders.whole_copy import is_whole
from relsearch.judge.judge_card import SHIPPED as READY_JUDGE
from relsearch.rerank.bundle import SHIPPED as READY_BUNDLE


@pytest.mark.parametrize(
    ("whole", "files"),
    [
        (READY_BUNDLE, ("bundle.json", "model.onnx", "tokenizer.json")),
        (READY_JUDGE, ("judge.json", "adapter/head.safetensors", "onnx/onnx.json", "onnx/weights.bin")),
    ],
    ids=["bundle", "judge"],
)
def test_a_copy_without_one_of_its_files_is_not(whole: Path, files: tuple[str, ...], tmp_path: Path) -> None:
    """Be it one that a manifest lists, or the manifest."""
    folder = Path(shutil.copytree(whole, tmp_path / "copy"))
    assert is_whole(folder)
    for name in files:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert not is_whole(folder), name
        (folder / name).write_bytes(content)
    assert is_whole(folder)


def test_a_reranker_needs_the_second_encoder_that_its_card_names(tiny_bert: Path, tmp_path: Path) -> None:
    """An interrupted download, or a copy of the upper folder alone."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    (folder / "reranker.json").write_text('{"second": null}')
    assert is_whole(folder)
    (folder / "reranker.json").write_text('{"second": "a/model"}')
    assert not is_whole(folder)
    shutil.copytree(tiny_bert, folder / "second")
    assert is_whole(folder)


def test_a_model_needs_weights_and_a_tokenizer(tiny_bert: Path, tmp_path: Path) -> None:
    """All parts of weights in several; a judge that was not exported needs no graphs."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    assert is_whole(folder)
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors").rename(folder / parts["a"])
    assert not is_whole(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}), encoding="utf-8")
    assert not is_whole(folder)
    (folder / parts["b"]).touch()
    assert is_whole(folder)
    for path in folder.glob("*token*"):
        path.unlink()
    assert is_whole(folder) == bool(list(folder.glob("vocab.*")))
    assert not is_whole(tmp_path)


@pytest.mark.parametrize("whole", [READY_BUNDLE, READY_JUDGE], ids=["bundle", "judge"])
def test_all_of_what_relsearch_writes_is_fetched(whole: Path) -> None:
    """The graphs of a judge keep their weights in a file of their own."""
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    assert {name for name in names if any(fnmatch(name, each) for each in _OURS)} == names


def test_a_list_that_cannot_be_read_is_the_openers_error(tmp_path: Path) -> None:
    """It says which file, and why."""
    (tmp_path / "bundle.json").write_text("[", encoding="utf-8")
    assert is_whole(tmp_path)
    (tmp_path / "bundle.json").write_text('{"files": 3}', encoding="utf-8")
    assert is_whole(tmp_path)
    (tmp_path / "bundle.json").write_text("[" * 100_000, encoding="utf-8")
    assert is_whole(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": 3}}', encoding="utf-8")
    assert not is_whole(tmp_path)
