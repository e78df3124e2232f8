"""Bodies that no client should send get an answer that is no 500, in time, and leave nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from relsearch.live.service.app import create_app
from relsearch.live.service.settings import read_settings
from relsearch.rerank.reranker import Reranker
from tests.live.service.fuzzing import LengthScorer, fuzz

REQUESTS = 1200


@pytest.mark.slow
@pytest.mark.anyio
async def test_fuzzed_requests() -> None:
    """Seeded bodies, right, damaged and senseless: no server error, no hang, flat memory."""
    outcome = await fuzz(REQUESTS, seed=7)
    assert outcome.faults == []
    assert outcome.hangs == 0
    assert sum(outcome.statuses.values()) == REQUESTS
    assert outcome.statuses[200] > REQUESTS / 10
    assert outcome.memory_after_mb - outcome.memory_before_mb < 10


schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(Reranker(LengthScorer()), read_settings(max_documents=50))
)


@schema.parametrize()
@settings(max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_openapi_document_is_kept(case: schemathesis.Case[Any]) -> None:
    """Requests drawn from the document, valid or not, are answered with what the document promises."""
    # Requests that the document forbids are sometimes accepted on purpose: "3" is taken for 3.
    case.call_and_validate(
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
    )
