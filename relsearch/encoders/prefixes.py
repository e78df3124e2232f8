"""What an encoder's folder says that it expects before a query and a document."""

from __future__ import annotations

from relsearch.core.files.text_files import parse_json, read_text
from relsearch.core.settings.config import EncoderConfig
from relsearch.encoders.loading import Source

SETTINGS = "config_sentence_transformers.json"
_NAMES = {"query_prefix": ("query",), "document_prefix": ("document", "passage", "corpus")}


def with_prefixes(config: EncoderConfig, source: Source) -> EncoderConfig:
    """Return the config with each prefix that it does not name as the encoder's folder has it, else empty.

    The names are those that SentenceTransformer.encode_query and encode_document look for. Raise ModelError where the
    file cannot be read.
    """
    with source.loading():
        path = source.folder / SETTINGS
        prompts = (parse_json(read_text(path)) if path.is_file() else {}).get("prompts") or {}
        found = {
            field: str(next((prompts[name] for name in names if prompts.get(name)), ""))
            for field, names in _NAMES.items()
            if getattr(config, field) is None
        }
    return config.model_copy(update=found)
