"""Plug-ins: loaded when they are asked for, one clear line where they are broken, never in place of a built-in name."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from relsearch.core.errors import ConfigError
from relsearch.core.plugins import has_plugin, load_plugin, open_plugin, plugin_names
from relsearch.core.settings.config import Config, EncoderConfig, IndexConfig, LabelConfig
from relsearch.core.types import Document
from relsearch.index.embedded import EmbeddedSearcher
from relsearch.index.registry import build_searcher, check_searcher, open_searcher
from relsearch.judge.registry import check_judge, open_judge
from relsearch.rerank.opening import is_plugin
from relsearch.rerank.reranker import Reranker

INDEX, ENCODER = IndexConfig(), EncoderConfig()
CODE = """
    def fails():
        raise ValueError("no\\nkey")
    def build(documents, directory, *, index, encoder, template):
        raise OSError("disk full")
    def open_index(directory, *, index, encoder):
        return "no searcher"
    class Half:
        def __init__(self, *_):
            pass
"""
NAMED = {"fails": "fails", "half": "Half", "ready": "Half", "embedded": "Half", "zero-shot": "Half", "gone": "absent"}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a plug-in of each kind under each name, and one whose module cannot be imported."""
    (tmp_path / "odd_plugin.py").write_text(dedent(CODE), encoding="utf-8")
    (tmp_path / "broken_plugin.py").write_text("import absent_module", encoding="utf-8")
    groups = ("searchers", "judges", "scorers")
    odd = {name: f"odd_plugin:{what}" for name, what in NAMED.items()}
    _register(tmp_path, "odd", dict.fromkeys(groups, odd))
    _register(tmp_path, "bad", {group: {"broken": "broken_plugin", "bare": "odd_plugin"} for group in groups})
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _register(site: Path, name: str, groups: dict[str, dict[str, str]]) -> None:
    folder = site / f"{name}-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", encoding="utf-8")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[relsearch.{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def test_names_are_known_before_anything_is_loaded() -> None:
    """Listing them imports nothing."""
    assert {"broken", "half"} <= set(plugin_names("relsearch.scorers"))
    assert has_plugin("relsearch.judges", "half")
    assert not has_plugin("relsearch.judges", "nobody's")
    assert {"odd_plugin", "broken_plugin"}.isdisjoint(sys.modules)


def test_a_broken_plugin_is_one_line() -> None:
    """With its name, its package and what went wrong."""
    with pytest.raises(ConfigError, match=r"'broken': bad: broken_plugin cannot be imported: ModuleNotFoundError: .*"):
        load_plugin("relsearch.scorers", "broken")
    with pytest.raises(ConfigError, match="'gone': odd: odd_plugin:absent cannot be imported: AttributeError"):
        load_plugin("relsearch.scorers", "gone")
    with pytest.raises(ConfigError, match="'fails': cannot be opened: ValueError: no key; mend or uninstall"):
        Reranker("fails")
    with pytest.raises(ConfigError, match="'half': it returned a Half without score"):
        Reranker("half")
    with pytest.raises(ConfigError, match="'half': it returned a Half without fingerprint, scale"):
        open_judge(Config(label=LabelConfig(judge="half")))
    with pytest.raises(ConfigError, match="'broken': bad"):
        check_judge(Config(label=LabelConfig(judge="broken")))


def test_a_broken_searcher_is_one_line(tmp_path: Path) -> None:
    """Found before a run begins where it lacks something, else where it fails."""
    with pytest.raises(ConfigError, match=r"'half' \(odd\): odd_plugin:Half lacks build, open_index"):
        check_searcher("half", INDEX)
    with pytest.raises(ConfigError, match="'bare': cannot be built or opened: OSError: disk full"):
        build_searcher("bare", [], tmp_path, index=INDEX, encoder=ENCODER)
    with pytest.raises(ConfigError, match="'bare': it returned a str without name, search"):
        open_searcher("bare", tmp_path, index=INDEX, encoder=ENCODER)
    with pytest.raises(ConfigError, match=r"searcher 'other' is not known; use one of: embedded, .*, half"):
        check_searcher("other", INDEX)
    with pytest.raises(ConfigError, match="registered by no package"):
        load_plugin("relsearch.searchers", "other")


def test_a_name_of_two_packages_is_refused(package: Path) -> None:
    """Which one is meant cannot be known."""
    _register(package, "twin", {"scorers": {"half": "odd_plugin:Half"}})
    with pytest.raises(ConfigError, match="'half': registered by odd, twin; install one package"):
        open_plugin("relsearch.scorers", "half", needs=())


def test_a_built_in_name_is_never_a_plugin(tmp_path: Path) -> None:
    """Neither are folders."""
    built = build_searcher("embedded", [Document("d", {"text": "tea"})], tmp_path, index=INDEX, encoder=ENCODER)
    assert isinstance(built, EmbeddedSearcher)
    assert not is_plugin("ready")
    check_judge(Config(label=LabelConfig(judge="ready")))
    with pytest.raises(ConfigError, match="'half'"):
        Reranker("half")
    (tmp_path / "half").mkdir()
    assert not is_plugin(tmp_path / "half")
