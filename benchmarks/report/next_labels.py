"""The table of which labels next."""

from __future__ import annotations

from typing import Any

from benchmarks.report.markdown import p_text, section, table

Figures = dict[str, Any]
# As benchmarks.rerankers.next_labels.worth names its students.
_STUDENTS = ("ready, unknown", "ready, irrelevant", "untrained, unknown", "untrained, irrelevant", "all students")
_BY_BUDGET = "untrained, irrelevant"


def next_labels(figures: Figures) -> str:
    """Each order's gain and its difference from today's; the curve's figures; how many queries are graded."""
    pooled, budgets = figures["pooled"], sorted({row["grades"] for row in figures["rows"]} - {0})
    rows = [[row["order"], *(_gain(row[student]) for student in _STUDENTS), f"{row['kappa']:.3f}"] for row in pooled]
    spread = [
        [
            row["order"],
            *(_queries(figures, row["order"], grades) for grades in budgets),
            *(f"{gain:+.3f}" for gain in row[_BY_BUDGET]["gains"]),
        ]
        for row in pooled
    ]
    head = ["order of grading", *_STUDENTS, "kappa of the judge"]
    spread_head = ["order of grading", *(f"queries of {grades} grades" for grades in budgets), *map(str, budgets)]
    tested = ", ".join(f"{name} {count}" for name, count in figures["tested"].items())
    return section(
        "Which pairs people grade first: what the first 50, 100, 200 and 400 pairs of an order are worth, on the "
        f"mean of these budgets and of four collections. NDCG@10 of test queries ({tested}) that a student gains "
        "from the grades; in brackets p of the difference from `review --run` (unsure pairs, high in BM25's run "
        "first), a paired randomisation test over queries, Holm-corrected over the orders. Students train in a "
        "second: one starts as the ready reranker, one as the untrained cosine and sees MaxSim and BM25 beside "
        "it; the ungraded candidates of graded queries are unknown or irrelevant to them (`[pool] unjudged`). The "
        f"judge `reranker:ready` is calibrated on the graded pairs. {figures['seeds']} draws of three quarters of "
        f"the training queries. Below: how many queries are graded, and what the student '{_BY_BUDGET}' gains from "
        "each number of grades ([curve](results/next_labels.svg)).",
        "\n".join([table(head, rows), "", _tests(figures["default"]), "", table(spread_head, spread)]),
        figures,
    )


def _tests(figures: Figures) -> str:
    tests = "; ".join(
        f"{test['difference']:+.4f} against {test['order']} ({p_text(test['p'])})" for test in figures["against"]
    )
    folds = "; ".join(f"{order} {gain:+.4f}" for order, gain in figures["folds"].items())
    return (
        f"What `review` does without a run ({figures['order']}), all students, p of one test each: {tests}. It was "
        f"chosen on halves of the training queries among the orders that need no run of BM25's; gains there: {folds}."
    )


def _gain(figures: Figures) -> str:
    p = f" ({p_text(figures['p_ranked']).removeprefix('p ')})" if "p_ranked" in figures else ""
    return f"{figures['gain']:+.4f}{p}"


def _queries(figures: Figures, order: str, grades: int) -> str:
    each = [row["queries"] for row in figures["rows"] if (row["order"], row["grades"]) == (order, grades)]
    return f"{sum(each) / len(each):.0f}"
