"""Why a search is not reranked: the request asks for what reranking would break, or the reranker cannot answer."""

from __future__ import annotations

from relsearch.core.errors import RelsearchError


class NotRerankedError(RelsearchError):
    """The search keeps the engine's own order; `reason` is one word for the response's header."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class UnsupportedError(NotRerankedError):
    """The request holds what reranking cannot honour: an error if that was asked for by `ext.relsearch.strict`."""


class LateError(RelsearchError):
    """The engine's answer is so large that it was not even taken apart in time."""


class BadAskError(RelsearchError):
    """`ext.relsearch` itself is malformed; always the client's error."""
