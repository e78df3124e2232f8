"""What ranking and grading return is a table to read, in a terminal and in a notebook."""

from __future__ import annotations

import pytest

from relsearch.core.display.results import GradedDocument, GradeResult, RankedDocument, RankResult

RESULTS = [
    RankResult([RankedDocument(1, 0.75, "a <b>cat</b>"), RankedDocument(0, 0.25, {"text": "the\nsea"})]),
    GradeResult([GradedDocument(0, 3, (0.0, 0.0, 0.25, 0.75), 2.75, 0.75, "a <b>cat</b>")]),
]


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_prints_as_a_table(result: RankResult | GradeResult) -> None:
    """With the start of each document."""
    assert "0.75" in repr(result)
    assert "a <b>cat</b>" in repr(result)


@pytest.mark.parametrize("result", RESULTS)
def test_a_notebook_shows_the_same_table_without_a_document_s_markup(result: RankResult | GradeResult) -> None:
    """Each row of the text is one of the HTML."""
    shown = result._repr_html_()
    assert shown.count("<tr>") == len(result) + 1
    assert "<b>" not in shown
    assert "a &lt;b&gt;cat" in shown
