"""The service's tests are coroutines on asyncio."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that uvicorn runs on."""
    return "asyncio"
