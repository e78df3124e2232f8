"""Whether an answer through the gateway is the one that the engine gives directly.

What differs between two direct answers (identifiers, dates, durations) may differ here, nothing else may.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence

from tests.live.gateway.calls import Reply

_TOKEN = re.compile(rb"[A-Za-z0-9_=+/-]+|.", re.DOTALL)
# Durations differ by chance only, so that two direct answers may agree on one.
_DURATION = re.compile(rb'("took"\s*:\s*|\btook: )\d+')


def differences(direct: Sequence[Reply], through: Reply) -> list[str]:
    """Return what is another way through the gateway than in every direct answer; empty if nothing is."""
    first = direct[0]
    found = []
    if (through.status, through.reason) != (first.status, first.reason):
        found.append(f"status {through.status} {through.reason}, directly {first.status} {first.reason}")
    found += _header_differences(direct, through)
    bodies = [_tokens(reply) for reply in direct]
    if not _agree(bodies, _tokens(through)):
        found.append(f"body {through.body[:300]!r}, directly {first.body[:300]!r}")
    return found


def _header_differences(direct: Sequence[Reply], through: Reply) -> list[str]:
    names = set(direct[0].headers) | set(through.headers)
    return [
        f"header {name}: {through.headers.get(name)!r}, directly {direct[0].headers.get(name)!r}"
        for name in sorted(names - {"date", "transfer-encoding"})
        if len({reply.headers.get(name) for reply in direct}) == 1
        and through.headers.get(name) != direct[0].headers.get(name)
        # A duration of another length makes another length of body.
        and not (name == "content-length" and _DURATION.search(_plain(direct[0])))
    ]


def _agree(direct: Sequence[Sequence[bytes]], through: Sequence[bytes]) -> bool:
    if any(len(tokens) != len(through) for tokens in direct):
        return False
    return all(
        token == first or any(other[place] != first for other in direct)
        for place, (token, first) in enumerate(zip(through, direct[0], strict=True))
    )


def _tokens(reply: Reply) -> list[bytes]:
    return _TOKEN.findall(_DURATION.sub(rb"\1T", _plain(reply)))


def _plain(reply: Reply) -> bytes:
    return gzip.decompress(reply.body) if reply.headers.get("content-encoding") == "gzip" else reply.body
