"""One template for index, judge, training and serving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.errors import ConfigError
from relsearch.core.fields.template import render, template_fields


def test_fields_fill_the_template() -> None:
    """Any named field can be used, in any order."""
    assert (
        render({"title": "Tides", "url": "sea.org", "text": "Moon."}, "{url} | {title}\n{text}")
        == "sea.org | Tides\nMoon."
    )


def test_a_missing_field_leaves_no_blank_line() -> None:
    """A document without a title renders to its text alone."""
    assert render({"text": "Moon."}) == "Moon."


@given(st.dictionaries(st.sampled_from(["title", "text"]), st.text()))
def test_rendering_is_idempotent_on_its_own_output(fields: dict[str, str]) -> None:
    """Rendering the rendered text again changes nothing, so texts have one normal form."""
    once = render(fields)
    assert render({"text": once}) == once


@given(st.text(alphabet="{}abc "))
def test_braces_in_a_text_are_kept(text: str) -> None:
    """A document that contains braces is data, not a template."""
    assert render({"text": text}) == " ".join(text.split())


@pytest.mark.parametrize("template", ["plain", "{title", "{}", "{0}", "{title!r}", "{title:>10}", "{a.b}"])
def test_a_malformed_template_is_refused(template: str) -> None:
    """Only plain named fields are allowed."""
    with pytest.raises(ConfigError, match="template"):
        template_fields(template)
