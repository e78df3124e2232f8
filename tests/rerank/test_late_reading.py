"""How a late-interaction model reads texts before it is trained."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from relsearch.core.display import progress as display
from relsearch.core.errors import ConfigError
from relsearch.core.settings.config import EncoderConfig
from relsearch.rerank.late.model import load_late, word_states

TEXTS = ["the sea is deep", "a blue sky over the town"]


@pytest.mark.parametrize("kind", ["query_prefix", "document_prefix"])
def test_a_prefix_that_leaves_no_text_is_refused(kind: str, tiny_bert: Path) -> None:
    """Every query, or every document, would be read as the same."""
    for words, refused in ((29, False), (30, True), (5000, True)):
        encoder = EncoderConfig.model_validate({"model": str(tiny_bert), kind: "sea " * words})
        with pytest.raises(ConfigError, match="no room for a text in 32 tokens") if refused else nullcontext():
            load_late(encoder.model, encoder, max_length=32, dimension=8)


def test_reading_shows_how_far_it_is(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hundreds of documents take a large encoder minutes."""
    monkeypatch.setattr(display, "LOG_EVERY_S", 0.0)
    word_states(load_late(str(tiny_bert), EncoderConfig(model=str(tiny_bert)), max_length=32, dimension=8), TEXTS)
    assert f"of {len(TEXTS)} documents in" in capsys.readouterr().err
