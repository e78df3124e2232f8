"""Sentences that say what figures mean, for readers who know none of the measures."""

from __future__ import annotations

import math
import re

from relsearch.core.display.text_table import number, p_value
from relsearch.measure.evaluate import Comparison, Evaluation
from relsearch.report.data import first_measure

SURE_P = 0.05  # the p value up to which a difference is called sure
_MEASURES = {
    "nDCG": "how well the first {at} results are ordered: 1 is the best order that the labels allow, 0 shows nothing "
    "relevant",
    "RR": "one over the rank of the first relevant result: 1 where it stands first, 0.5 where it stands second",
    "R": "the share of all relevant documents that the first {at} results hold",
    "P": "the share of the first {at} results that are relevant",
    "AP": "how early the relevant documents come, over the whole list: 1 where all stand first",
}
# Landis and Koch (1977), The Measurement of Observer Agreement for Categorical Data.
_KAPPA = {0.0: "poor", 0.2: "slight", 0.4: "fair", 0.6: "moderate", 0.8: "substantial", 1.0: "almost perfect"}


def explain_measure(name: str) -> str:
    """Return what a measure means, to follow a colon, or nothing for one that is not among the usual ones."""
    found = re.match(r"([A-Za-z]+)", name)
    at = re.search(r"@(\d+)", name)
    text = _MEASURES.get({"MRR": "RR", "MAP": "AP"}.get(found[1], found[1]) if found else "", "")
    return text.format(at=at[1] if at else "")


def outcome(comparison: Comparison) -> str:
    """Return "better", "worse" or "unsure": a sure difference has an interval without 0 and a p of at most 0.05."""
    gain = comparison.difference
    if not comparison.p_holm <= SURE_P or not (gain.low > 0 or gain.high < 0):
        return "unsure"
    return "better" if gain.mean > 0 else "worse"


def headline(evaluation: Evaluation, run: str, *, split: str = "") -> str:
    """Return the result in one sentence, which names the split of the queries where there is one."""
    measure = first_measure(evaluation)
    kind = outcome(evaluation.comparisons[run][measure])
    where = f" on {split} queries" if split else ""
    if kind == "unsure":
        few = ": too few queries to tell" if _least_p(evaluation) > SURE_P else ""
        return f"No sure difference between {run} and {evaluation.baseline}{where}{few}"
    return f"{run} ranks {kind} than {evaluation.baseline}{where}"


def gain_in_words(evaluation: Evaluation, run: str) -> str:
    """Return the difference of the first measure with its interval and its p value."""
    measure = first_measure(evaluation)
    old, new = (evaluation.estimates[name][measure] for name in (evaluation.baseline, run))
    comparison = evaluation.comparisons[run][measure]
    gain = comparison.difference
    moved = "falls" if gain.mean < 0 else "rises"
    if gain.low == gain.high == 0:
        return f"{measure} is {number(new.mean)} in both, and the same for every query."
    said = f"{measure} {moved} from {number(old.mean)} to {number(new.mean)}, by {number(abs(gain.mean))}"
    if math.isnan(gain.low):
        return f"{said}. A single query has no interval and no test."
    ends = f"{number(gain.low, '+.3f')} to {number(gain.high, '+.3f')}"
    least = _least_p(evaluation)
    few = f" So few queries cannot show more: p is at least {p_value(least)}." if least > SURE_P else ""
    return f"{said}; the 95 % interval of the change is {ends}. {_chance(comparison.p_holm)}{few}"


def relative_gain(evaluation: Evaluation, run: str) -> str:
    """Return the difference in percent of the baseline; nothing where that has 0."""
    measure = first_measure(evaluation)
    old, new = (evaluation.estimates[name][measure].mean for name in (evaluation.baseline, run))
    return f"{new / old - 1:+.0%}".replace("%", " %") if old > 0 else ""


def kappa_in_words(value: float) -> str:
    """Return what a kappa is called by Landis and Koch."""
    return next(name for limit, name in _KAPPA.items() if value <= limit)


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would use."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _least_p(evaluation: Evaluation) -> float:
    """The p of a run that changes every query alike: of n queries 2 / 2^n, by Holm times the runs that are compared."""
    return min(1.0, len(evaluation.comparisons) * 2.0 ** (1 - len(evaluation.query_ids)))


def _chance(p: float) -> str:
    often = "less than once in 1,000 times" if p < 0.001 else f"{p:.1%} of the time"
    return f"If both ranked alike, so large a difference would come by chance {often} (p {p_value(p)})."
