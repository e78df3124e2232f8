"""Why a request gets no ranking: one exception an error type of text-embeddings-inference, with its HTTP status."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

ErrorType = Literal["Validation", "Overloaded", "Tokenizer", "Backend", "Empty", "Unhealthy"]


class RefusedError(Exception):
    """Base of all refusals; the message goes to the client, so it holds nothing of the texts."""

    status: ClassVar[int]
    error_type: ClassVar[ErrorType]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {}


class MalformedError(RefusedError):
    """The body is not JSON."""

    status, error_type = 400, "Validation"


class UnauthorizedError(RefusedError):
    """No API key, or a wrong one."""

    status, error_type = 401, "Validation"

    @property
    def headers(self) -> dict[str, str]:
        """How to authenticate."""
        return {"WWW-Authenticate": "Bearer"}


class TooLargeError(RefusedError):
    """More bytes or documents than the service takes in one request."""

    status, error_type = 413, "Validation"


class InvalidError(RefusedError):
    """JSON, but not a request of this path."""

    status, error_type = 422, "Validation"


class WouldTruncateError(RefusedError):
    """A text is longer than the model reads, and the client forbade cutting it."""

    status, error_type = 422, "Tokenizer"


class EmptyError(RefusedError):
    """There is nothing to rank."""

    status, error_type = 400, "Empty"


class BackendError(RefusedError):
    """The model failed, or did not finish in time."""

    status, error_type = 424, "Backend"


class OverloadedError(RefusedError):
    """The queue is full, or the request waited in it until its time was up."""

    status, error_type = 429, "Overloaded"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = max(1, math.ceil(retry_after_s))

    @property
    def headers(self) -> dict[str, str]:
        """When to come back."""
        return {"Retry-After": str(self.retry_after_s)}


class UnhealthyError(RefusedError):
    """The service is shutting down."""

    status, error_type = 503, "Unhealthy"
