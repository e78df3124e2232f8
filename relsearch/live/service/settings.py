"""How the service runs: options, else RELSEARCH_… variables of the environment, else these defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from relsearch.core.errors import ConfigError, model_fault
from relsearch.live.address import is_loopback

PREFIX = "RELSEARCH_"


class Settings(BaseSettings):
    """Where to listen, what to accept, and how much at once; the API key comes from the environment only."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    bundle: Path | None = None
    vectors: str | None = None  # where documents are that precompute read, for a late-interaction bundle
    # Weight of pseudo-relevance feedback; None: as the bundle asks. RELSEARCH_FEEDBACK is its former name.
    prf: float | None = Field(None, ge=0, validation_alias=AliasChoices("prf", f"{PREFIX}PRF", f"{PREFIX}FEEDBACK"))
    model: str = "relsearch"  # the name that /info, /v1/models and the Jina dialect give
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    workers: int = Field(1, ge=1)
    threads: int | None = Field(None, ge=1)  # of each worker; None: the cores divided by the workers
    api_key: SecretStr | None = None
    insecure: bool = False

    max_documents: int = Field(4096, ge=1)
    max_body_bytes: int = Field(32 * 2**20, ge=1)
    timeout_s: float = Field(8.0, gt=0)  # Elasticsearch gives up after 10 s
    drain_s: int = Field(30, ge=0)
    # 4,096 tokens are about 32 passages: small enough that a short request never waits long behind a long one.
    max_batch_tokens: int = Field(4096, ge=1)
    max_waiting_tokens: int = Field(400_000, ge=1)
    max_waiting_requests: int = Field(256, ge=1)
    # While one batch is tokenised or finishes its last texts, the next one keeps the cores busy.
    parallel_batches: int = Field(2, ge=1)

    @model_validator(mode="after")
    def _guarded(self) -> Settings:
        if not (self.api_key or self.insecure or is_loopback(self.host)):
            raise ValueError(
                f"host {self.host} is open to others; set {PREFIX}API_KEY, or pass --insecure to serve without a key"
            )
        if self.api_key is not None and not self.api_key.get_secret_value().isascii():
            raise ValueError(f"{PREFIX}API_KEY has letters beyond ASCII, which no HTTP header carries; choose another")
        return self

    def environment(self) -> dict[str, str]:
        """Return the variables that give a worker process these settings; the key is already in its environment."""
        values = json.loads(self.model_dump_json(exclude={"api_key"}, exclude_none=True))
        return {PREFIX + name.upper(): str(value) for name, value in values.items()}


def read_settings(**options: object) -> Settings:
    """Return the settings of options and environment, options first, None meaning not given; raise ConfigError."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as exc:
        raise ConfigError(f"serve: {model_fault(exc)}") from exc
