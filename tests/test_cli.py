"""The command line: it teaches, it is quick to start, and its errors are one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from relsearch import search
from relsearch.cli import main
from relsearch.core import tables
from relsearch.core.errors import FieldsError
from relsearch.core.types import Judgment
from tests.command import relsearch


def test_importing_the_command_line_is_quick_and_light() -> None:
    """Start-up takes under half a second of processor time (best of five) and loads nothing heavy."""
    probe = (
        "import sys, time; t = time.process_time(); import relsearch.cli; d = time.process_time() - t;"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'jnius', 'sklearn'} & set(sys.modules);"
        "print(d, *heavy)"
    )
    outputs = [subprocess.check_output([sys.executable, "-c", probe], text=True).split() for _ in range(5)]
    assert all(len(output) == 1 for output in outputs), outputs
    assert min(float(output[0]) for output in outputs) < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--nonsense"]])
def test_the_package_runs_as_the_command_does(arguments: list[str]) -> None:
    """`python -m relsearch` has the command's output and status, and goes by its name."""
    command = [sys.executable, "-m", "relsearch", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    own = relsearch(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (own.returncode, own.stdout, own.stderr)
    assert "Usage: relsearch " in done.stdout + done.stderr


def test_an_error_is_one_line_and_status_1(tmp_path: Path) -> None:
    """A wrong key prints one line on stderr that names the remedy; no traceback."""
    (tmp_path / "relsearch.toml").write_text("[pool]\ndeph = 3\n", encoding="utf-8")
    result = relsearch("run", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines() == ["relsearch: relsearch.toml: unknown key 'pool.deph'; did you mean 'depth'?"]


def test_errors_speak_shell_here_and_python_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search whose fields the bundle does not read: an option on the command line, an argument in Python."""
    with pytest.raises(FieldsError, match=re.escape("e.g. fields={'text': 'body'}")):
        search(None, "docs", "tea", bundle="ready", fields=["body"])
    words = ["search", "tea", "--url", "http://127.0.0.1:9", "--index", "docs", "--bundle", "ready", "--field", "body"]
    words += ["--engine", "elasticsearch"]  # else the server is asked first what it is
    monkeypatch.setattr(sys, "argv", ["relsearch", *words])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.strip().endswith("e.g. --field text=body")


def test_a_wrong_option_is_status_2() -> None:
    """Usage errors are told apart from failed data."""
    assert relsearch("evaluate", "--nonsense").returncode == 2


def test_a_stage_says_what_must_run_before_it(tmp_path: Path) -> None:
    """Asking for a stage whose inputs are absent names the verb that makes them."""
    (tmp_path / "relsearch.toml").write_text("", encoding="utf-8")
    result = relsearch("pool", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.strip().endswith("run: relsearch collect")


def test_agree_shows_and_draws_reliability_where_labels_have_probabilities(tmp_path: Path) -> None:
    """A judge's table adds the reliability bins and, if asked, the diagram; plain qrels add nothing."""
    judged = [
        Judgment(f"q{row % 2}", f"d{row}", row % 4, "judge", "j", (0.25,) * 4, expected=1.5, confidence=0.25)
        for row in range(8)
    ]
    tables.write(tables.judgments_table(judged), tmp_path / "judged.parquet", tables.JUDGMENTS)
    qrels = "".join(f"q{row % 2} 0 d{row} {row % 3}\n" for row in range(8))
    (tmp_path / "qrels.tsv").write_text(qrels, encoding="utf-8")
    drawn = relsearch("agree", "qrels.tsv", "judged.parquet", "--plot", "diagram.svg", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert "ECE of P(relevant)" in drawn.stdout
    assert (tmp_path / "diagram.svg").read_text(encoding="utf-8").startswith("<svg")
    as_json = json.loads(relsearch("agree", "qrels.tsv", "judged.parquet", "--json", cwd=tmp_path).stdout)
    assert as_json["reliability"]["pairs"] == as_json["pairs"] == 8
    assert "ECE" not in relsearch("agree", "qrels.tsv", "qrels.tsv", cwd=tmp_path).stdout
    refused = relsearch("agree", "qrels.tsv", "qrels.tsv", "--plot", "none.svg", cwd=tmp_path)
    assert refused.returncode == 1
    assert "carry no probabilities" in refused.stderr
