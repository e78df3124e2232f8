"""What `--help` teaches: verbs in groups, nothing cut off, an example for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.cli.help import PANELS, Verb, summary
from tests.conftest import REPOSITORY

VERBS: dict[str, Verb] = get_command(app).commands  # type: ignore[attr-defined]


def _help(*verb: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*verb, "--help"], prog_name="relsearch")
    assert result.exit_code == 0, result.output
    return result.output


def test_every_verb_is_in_one_group() -> None:
    """None is left out of `relsearch --help`, and none is named that is not there."""
    assert sorted(name for names in PANELS.values() for name in names) == sorted(VERBS)


def test_the_groups_show_whole_sentences() -> None:
    """A verb's summary is one line of 80 columns, not cut off."""
    shown = _help()
    assert re.findall(r"^(\w+):$", shown, re.MULTILINE)[1:] == list(PANELS)
    for name, verb in VERBS.items():
        assert re.search(rf"^  {name} +{re.escape(summary(verb))}$", shown, re.MULTILINE), name
        assert len(summary(verb).split()) >= 2
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_has_an_example_and_is_documented(name: str) -> None:
    """Its help ends in a shell line that can be pasted, and the documentation names it."""
    examples = VERBS[name].examples
    assert any(line.startswith(f"relsearch {name} ") or line == f"relsearch {name}" for line in examples)
    shown = _help(name)
    for example in examples:
        assert example in re.sub(r" \\\n +", " ", shown)
    assert max(map(len, shown.splitlines())) <= 80
    assert f"`{name}`" in (REPOSITORY / "docs/verbs.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(VERBS))
def test_usage_names_arguments_in_capitals_and_no_path_is_broken(name: str) -> None:
    """What repeats has one ellipsis."""
    shown = _help(name)
    usage = shown.partition("\n")[0].partition("[OPTIONS]")[2]
    assert usage == usage.upper()
    assert all(usage.count(f"{sign}...") <= 1 for sign in "]}")
    assert "...}" not in usage
    assert "...]" not in usage
    assert not re.search(r'"[^"\s]*-\n', shown)


@pytest.mark.parametrize(
    "name", [name for name in VERBS if name != "export" and {"--bundle", "--judge"} & {*_help(name).split()}]
)
def test_ready_is_named_where_it_can_be_used(name: str) -> None:
    """Whoever has no bundle and no judge reads what to write instead."""
    assert re.search(r"(--bundle|--judge) <\w+>((?! --).)*\bready\b", " ".join(_help(name).split()))


@pytest.mark.parametrize("name", sorted(VERBS))
def test_verbs_that_meet_an_engine_show_how_it_is_reached_together(name: str) -> None:
    """The same certificates and variables for each, in a group of their own."""
    shown = _help(name)
    meets = bool({"--url", "--upstream", "--vectors"} & {*shown.split()}) and name != "tune"
    group = shown.partition("Search engine:")[2].partition("Example")[0]
    for told in ("--ca-cert", "--client-cert", "--client-key", "RELSEARCH_ES_API_KEY", "RELSEARCH_ES_PASSWORD"):
        assert (told in group) == meets
        assert (told in shown) == meets
    assert "--url" not in shown.partition("Search engine:")[0].partition("Options:")[2]


def test_a_value_that_an_option_does_not_take_is_refused_in_plain_words() -> None:
    """With those that it takes."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["grade", "a.trec", "-o", "b", "--on", "Ray"])
    assert "Invalid value for '--on': 'Ray' is not one of 'here', 'ray'" in result.output


def test_former_options_work_with_a_warning_and_are_in_no_help(tmp_path: Path) -> None:
    """Whoever has them in a script goes on; who reads the help learns today's."""
    for name in VERBS:
        assert not re.search(r"--(feedback|then)\b", _help(name)), name
    given = ["a.trec", "--bundle", "ready", "--collection", str(tmp_path), "--feedback=0.2", "--then", "b"]
    result = CliRunner().invoke(app, ["rerank", *given, "--then-window", "5"])
    assert "--feedback is now called --prf" in result.output
    context = VERBS["rerank"].make_context("rerank", [*given, "--then-window", "5"])
    assert [context.params[name] for name in ("prf", "cascade", "cascade_window")] == [0.2, Path("b"), 5]


def test_the_first_stage_needs_none_before_it() -> None:
    """All others say so."""
    assert "Needs the stages before" not in _help("collect")
    assert "Needs the stages before it" in " ".join(_help("index").split())
