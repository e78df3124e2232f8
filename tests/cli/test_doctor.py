"""`doctor` says what is there, what is not, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata

import pytest
from typer.testing import CliRunner

from relsearch.cli import app
from relsearch.pipeline.standalone import doctor
from tests.index.conftest import compatible_url

__all__ = ["compatible_url"]


@pytest.mark.slow
def test_a_machine_is_examined_in_words_and_in_json() -> None:
    """All of it, an engine that is down included, and exit status 0."""
    words = CliRunner().invoke(app, ["doctor"])
    assert words.exit_code == 0, words.output
    assert "100 documents in " in words.output
    assert all(f"extra {extra}: " in words.output for extra in doctor.NEEDED_FOR)
    found = json.loads(CliRunner().invoke(app, ["doctor", "--json", "--url", "http://127.0.0.1:9"]).output)
    assert found["cores"] >= 1
    assert found["rerank_ms"] > 0
    assert found["engine"].startswith("not reached: ")


@pytest.mark.slow
def test_a_running_engine_is_named(compatible_url: str) -> None:
    """With its version and address."""
    assert compatible_url in str(doctor.examine(compatible_url).engine)


def test_every_extra_is_looked_for() -> None:
    """Those that only gather others have no packages of their own."""
    assert set(metadata.metadata("relsearch").get_all("Provides-Extra") or ()) - {"demo", "all"} == {*doctor.NEEDED_FOR}


def test_what_an_extra_lacks_is_named_with_the_verbs_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the extras that it takes in, and with the command that installs it."""

    def version(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return "1.0"  # whatever is installed here

    monkeypatch.setattr(metadata, "version", version)
    absent: Iterator[str] = doctor.absent_packages("export-openvino")
    assert list(absent) == ["torch"]
    found = doctor.examine()
    said = " ".join(found.to_text().split())
    assert "extra export: absent (torch), needed for export, run: pip install 'relsearch[export]'" in said
    assert "\nextra serve: installed\n" in found.to_text()
    absent_all = {extra: tuple(metadata.requires("relsearch") or ())[:9] for extra in doctor.NEEDED_FOR}
    wide = replace(found, absent=absent_all, instructions=("avx512_vnni",) * 20).to_text()
    assert max(map(len, wide.splitlines())) <= 100
