"""What the reranker is worth, in one file: `python -m benchmarks.rerankers.quality` gathers what others recorded last.

`shipped` and `transfer` are of benchmarks.rerankers.transfer, `few_label` is of benchmarks.rerankers.few_labels,
`chain` of benchmarks.rerankers.trec_dl; each stands in its own file with its command and its intervals.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import record, recorded
from benchmarks.rerankers.trec_dl import TEST

MEASURE = "nDCG@10"


def main() -> None:
    """Gather, print and record; what has not been measured is null."""
    found = gathered(recorded("transfer"), recorded("few_labels"), recorded("chain_trec_dl"))
    record("reranker_quality", found)
    print(json.dumps(found, indent=1))


def gathered(
    transfer: dict[str, Any] | None, few: dict[str, Any] | None, chain: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the means of NDCG@10 by name."""
    collections = {name: _means(each) for name, each in (transfer or {"collections": {}})["collections"].items()}
    shipped = collections.get(TEST, {})
    return {
        "shipped": {
            "ndcg10_dl19": shipped.get("shipped"),
            "own_scores_dl19": shipped.get("ready"),
            "base_cosine_dl19": shipped.get("cosine"),
            "bm25_dl19": shipped.get("bm25"),
        },
        "few_label": few and few["rows"],
        "chain": chain and _means(chain["result"]),
        "transfer": collections,
    }


def _means(result: dict[str, Any]) -> dict[str, float]:
    return {name: round(run[MEASURE]["mean"], 4) for name, run in result["runs"].items()}


if __name__ == "__main__":
    main()
