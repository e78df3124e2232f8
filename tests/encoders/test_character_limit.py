"""How much of a text is looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relsearch.core.fields.template import render
from relsearch.encoders.character_limit import beginning, ending, is_cut

_TEXTS = st.text("ab \n\t", max_size=60)
_LIMITS = st.integers(0, 30)


@given(_TEXTS, _LIMITS)
def test_only_white_space_is_left_out_before_the_limit(text: str, most: int) -> None:
    """What is read is within the limit, read alike when it is cut again, and has the text's first words."""
    found = beginning(text, most)
    assert len(found) <= most
    assert beginning(found, most) == found
    assert "".join(text.split()).startswith("".join(found.split()))
    if len(text) > most and not is_cut(text, most):
        assert found.split() == text.split()


@given(_TEXTS, _LIMITS)
def test_a_rendered_text_is_cut_as_it_stands(text: str, most: int) -> None:
    """A template leaves no runs of white space, so that the vectors of its texts are found by what they begin with."""
    rendered = render({"text": text}, "{text}")
    assert beginning(rendered, most) == rendered[:most]
    assert is_cut(rendered, most) == (len(rendered[:most].rstrip()) < len(rendered))


@given(_TEXTS, _LIMITS)
def test_a_field_that_is_cut_first_begins_alike(text: str, most: int) -> None:
    """As a gateway does: line breaks stay line breaks, whatever white space is around them."""
    rendered = render({"text": text}, "{text}")
    assert rendered.startswith(render({"text": beginning(text, most)}, "{text}"))


@pytest.mark.parametrize("space", [" ", "\n", " \n\t", "\N{IDEOGRAPHIC SPACE}"])
def test_a_page_of_blanks_is_no_text(space: str) -> None:
    """Blanks before the text, within and behind it do not count; a text within the limit is left as it is."""
    text = f"{space * 7000}the sea{space * 7000}is deep{space * 7000}"
    assert beginning(text, 100).split() == ["the", "sea", "is", "deep"]
    assert ending(text, 100).split() == ["the", "sea", "is", "deep"]
    assert not is_cut(text, 100)
    assert is_cut(f"{text} indeed", 20)
    assert ending(text, 9).split() == ["is", "deep"]
    assert beginning(text, len(text)) == text
