"""What the exceptions of other libraries say, on one line."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from relsearch.core.errors import model_fault, reason


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.txt"), "No such file or directory"),
        (RuntimeError("refused: [Errno 111] Connection refused at 0x7f"), "Connection refused at 0x7f"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ValueError("too many digits; use sys.set_int_max_str_digits() to raise it"), "too many digits"),
        (ValueError("\n two\n lines \n\nand a paragraph of context"), "two lines"),
        (KeyError(), "KeyError"),
        (ValueError("word " * 200), "word " * 79 + "word ..."),
    ],
)
def test_an_exception_is_told_on_one_short_line(exc: Exception, said: str) -> None:
    """The system's own words where it has any, else the first paragraph of the message."""
    assert reason(exc) == said


def test_a_model_names_the_key_that_it_refuses() -> None:
    """The first fault alone, with dots between its keys; a fault of the whole has no key."""

    class Inner(BaseModel):
        size: int

    class Outer(BaseModel):
        inner: Inner

    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"size": "large"}})
    assert model_fault(caught.value).startswith("inner.size: Input should be a valid integer")
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(1)
    assert model_fault(caught.value).startswith("Input should be")
