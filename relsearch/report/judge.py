"""What the page shows of a judge: its agreement, where it rates too high or too low, and its worst pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relsearch.report.data import JudgeCheck

_WORST = 10


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A pair that people and the judge grade apart, with the judge's confidence in its grade, if it has one."""

    query_id: str
    doc_id: str
    human: int
    judged: int
    confidence: float | None


@dataclass(frozen=True, slots=True)
class GradeRow:
    """The pairs of one human grade: how many, the judge's mean grade, and the shares that it rates lower and higher."""

    grade: int
    pairs: int
    mean: float
    lower: float
    higher: float


def disagreements(check: JudgeCheck) -> list[Disagreement]:
    """Return the pairs with the widest gap between both grades, the judge's surest first among equals."""
    rows = check.pairs.select("query_id", "doc_id", "grade", "judged", "confidence").iter_rows()
    apart = [Disagreement(*row) for row in rows if row[2] != row[3]]
    apart.sort(key=lambda pair: (-abs(pair.judged - pair.human), -(pair.confidence or 0), pair.query_id, pair.doc_id))
    return apart[:_WORST]


def by_human_grade(check: JudgeCheck) -> list[GradeRow]:
    """Return a row for each grade that people gave."""
    grades = np.array(check.agreement.grades)
    rows = []
    for place, counts in enumerate(np.array(check.agreement.confusion)):
        pairs = int(counts.sum())
        if pairs:
            lower, higher = counts[:place].sum() / pairs, counts[place + 1 :].sum() / pairs
            rows.append(
                GradeRow(int(grades[place]), pairs, float(counts @ grades / pairs), float(lower), float(higher))
            )
    return rows


def shades(check: JudgeCheck) -> list[list[tuple[int, int]]]:
    """Return each cell of the confusion matrix with its share of the row in tenths, by which it is shaded."""
    found = []
    for row in check.agreement.confusion:
        total = sum(row) or 1
        found.append([(count, round(10 * count / total)) for count in row])
    return found
