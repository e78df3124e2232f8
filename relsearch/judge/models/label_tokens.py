"""Label tokens: each grade is one digit token whose logit the judge reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relsearch.core.errors import ModelError
from relsearch.core.types import Scale

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def label_tokens(tokenizer: PreTrainedTokenizerBase, scale: Scale) -> tuple[int, ...]:
    """Return the token of each grade, lowest first; raise ModelError where they are not single and distinct."""
    tokens: list[int] = []
    for grade in scale.grades:
        ids = tokenizer.encode(str(grade), add_special_tokens=False)
        if len(ids) != 1:
            raise ModelError(
                f"tokenizer {tokenizer.name_or_path}: grade {grade} is {len(ids)} tokens, the judge reads one; "
                "use another [judge] base"
            )
        tokens.append(ids[0])
    if len(set(tokens)) != len(tokens):
        raise ModelError(f"tokenizer {tokenizer.name_or_path}: two grades share a token; use another [judge] base")
    return tuple(tokens)
