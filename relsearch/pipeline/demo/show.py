"""The demo's outcome as text and as JSON."""

from __future__ import annotations

import textwrap

from pydantic import JsonValue

from relsearch.core.display.text_table import WIDTH, interval, number, p_value, table
from relsearch.pipeline.demo.study import AUGMENTED, EVERY, HUMAN, MEASURE, READY, Demo, Hit, PairedTest
from relsearch.pipeline.stages.runs import COSINE, FIRST_STAGE
from relsearch.stats.bootstrap import or_none

_SURE = 0.05  # the largest p of a difference that is called one
_LITTLE = 0.01  # of NDCG


def arm_names(labelled: int) -> dict[str, str]:
    """Return what each arm is called in tables."""
    return {
        FIRST_STAGE: "BM25",
        COSINE: "untrained cosine",
        READY: "ready reranker, no label",
        HUMAN: f"{labelled} labelled queries",
        AUGMENTED: f"{labelled} and judged pools",
        EVERY: "all labelled queries",
    }


def verdict(demo: Demo) -> str:
    """Return what the few labels bring, what judged pools add to them, and what more labels could."""
    tests, labelled = {(each.arm, each.baseline): each for each in demo.tests}, demo.counts["labelled_queries"]
    few, every = demo.arms[HUMAN].mean, demo.arms[EVERY].mean
    gains = (
        f"{_shown(tests[HUMAN, baseline])} over {name}"
        for baseline, name in ((FIRST_STAGE, "BM25"), (READY, "the ready reranker"))
    )
    little = "more labels have little to add here" if every - few < _LITTLE else "there is room for more labels"
    return (
        f"{labelled} labelled queries bring {' and '.join(gains)}. {_of_judged_pools(tests[AUGMENTED, HUMAN])} With "
        f"{labelled} labelled queries {MEASURE} is {few:.3f}, with all of them {every:.3f}: {little}. Where judged "
        "pools pay, and where not, is measured on human grades in benchmarks/README.md."
    )


def _of_judged_pools(test: PairedTest) -> str:
    """A sentence on what judged pools add; interval and p must both tell a difference."""
    low, high = test.difference.low, test.difference.high
    said = "do not change that beyond chance"
    if test.p < _SURE and (low > 0 or high < 0):
        said = "add to that" if low > 0 else "cost some of that"
    return f"Judged pools {said}: {_shown(test)}."


def _shown(test: PairedTest) -> str:
    each = test.difference
    p = p_value(test.p)
    return f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}] (p {p})"


def to_text(demo: Demo) -> str:
    """Return the tables, the sentence on what they show, examples, and where the time went."""
    said = (textwrap.fill(text, WIDTH) for text in (_about(demo), verdict(demo)))
    return "\n\n".join([*said, _arms(demo), _tests(demo), _examples(demo), _times(demo)])


def to_json(demo: Demo) -> dict[str, JsonValue]:
    """Return the figures as JSON values."""
    tests = [{"arm": test.arm, "baseline": test.baseline, **_test_json(test)} for test in demo.tests]
    return {
        "measure": MEASURE,
        "counts": dict(demo.counts),
        "arms": {
            arm: {"mean": each.mean, "low": or_none(each.low), "high": or_none(each.high)}
            for arm, each in demo.arms.items()
        },
        "augmented_minus_human": _test_json(demo.tests[0]),
        "tests": list(tests),
        "verdict": verdict(demo),
        "seconds": round(demo.clock.seconds),
        "cpu_seconds": round(demo.clock.processor_seconds),
        "parts": {name: [round(each, 1) for each in seconds] for name, seconds in demo.clock.parts.items()},
    }


def _about(demo: Demo) -> str:
    counts = demo.counts
    return (
        "The grades of this collection, Python's documentation, are a language model's: the tables show what the "
        "chain does and costs, not how good it is for people. "
        f"{counts['documents']} documents, {counts['labelled_queries']} labelled queries ({counts['human_labels']} "
        f"labels), {counts['unlabelled_queries']} unlabelled ones; {counts['test_queries']} test queries that nothing "
        "was trained, tuned or calibrated on."
    )


def _arms(demo: Demo) -> str:
    names = arm_names(demo.counts["labelled_queries"])
    rows = [[names[arm], number(each.mean), interval(each.low, each.high)] for arm, each in demo.arms.items()]
    return table(["reranking BM25's candidates", MEASURE, "95 % CI"], rows)


def _tests(demo: Demo) -> str:
    names = arm_names(demo.counts["labelled_queries"])
    rows = [
        [
            f"{names[test.arm]} - {names[test.baseline]}",
            number(test.difference.mean, "+.3f"),
            interval(test.difference.low, test.difference.high, "+.3f"),
            p_value(test.p),
        ]
        for test in demo.tests
    ]
    return table(["paired tests", "difference", "95 % CI", "p"], rows, width=None)


def _examples(demo: Demo) -> str:
    lines = [f"{len(demo.examples)} test queries whose first hit changed, drawn by the seed:"]
    for example in demo.examples:
        lines += [
            f'  "{example.query}" ({MEASURE} {example.ndcg_before:.2f} -> {example.ndcg_after:.2f})',
            f"    before: {_hit(example.before)}",
            f"    after:  {_hit(example.after)}",
        ]
    return "\n".join(lines)


def _hit(hit: Hit) -> str:
    return f"{hit.doc_id}, {'no grade' if hit.grade is None else f'grade {hit.grade}'}"


def _times(demo: Demo) -> str:
    clock = demo.clock
    rows = [[name, f"{wall:.0f}", f"{processor:.0f}"] for name, (wall, processor) in clock.parts.items()]
    rows.append(["together", f"{clock.seconds:.0f}", f"{clock.processor_seconds:.0f}"])
    return table(["where the time went", "s", "CPU s"], rows)


def _test_json(test: PairedTest) -> dict[str, JsonValue]:
    difference = test.difference
    return {
        "difference": or_none(difference.mean),
        "low": or_none(difference.low),
        "high": or_none(difference.high),
        "p": or_none(test.p),
    }
