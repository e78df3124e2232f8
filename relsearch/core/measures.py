"""Measures by their ir-measures names: which ones can be computed, and which are shown where none is named.

A level, as in `RR(rel=2)`, is of grades that count from 0, the scale's lowest.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from relsearch.core.errors import ConfigError

if TYPE_CHECKING:
    from ir_measures import Measure
    from ir_measures.providers import Provider

_LARGEST = 2**31 - 1  # trec_eval holds cut-offs and levels in 32 bits
_LARGEST_GRADE = 10_000  # it counts a query's labels of every grade up to the highest
_LARGEST_GAIN = 4  # of gdeval, which takes 2^grade
_RECALL_DEPTH = 50
_NEED_NO_GRADE = ("Judged", "NumQ")
# What computes a measure and cannot do so here.
_UNFIT = {
    "pyndeval": "needs labels by subtopic, which relsearch does not read",
    "accuracy": "leaves out queries; every labelled query counts here",
}


def default_measures(level: int, *, depth: int | None = None) -> tuple[str, ...]:
    """Return the measures that are shown where none is named; documents from `level` up are relevant.

    `depth` is that of the pools which are reranked: recall at no less is the same for every reranker, and left out.
    """
    rel = "" if level == 1 else f"(rel={level})"
    recall = () if depth is not None and depth <= _RECALL_DEPTH else (f"R{rel}@{_RECALL_DEPTH}",)
    return ("nDCG@10", f"RR{rel}@10", *recall)


def parse_measures(names: Sequence[str]) -> dict[str, Measure]:
    """Return each name's measure, ready to be computed; raise ConfigError on one that is not known or cannot be."""
    return {name: _checked(name, _parsed(name)) for name in names}


def credits_any(measure: Measure, grades: Collection[int]) -> bool:
    """Return whether the measure credits any of these grades, which count from 0; else it is not defined on them."""
    if measure.NAME in _NEED_NO_GRADE:
        return True
    if gains := measure.params.get("gains"):
        return any(gains.get(grade, grade) > 0 for grade in grades)
    level = measure["rel"] if "rel" in measure.SUPPORTED_PARAMS else 1
    return not isinstance(level, int) or any(grade >= level for grade in grades)


def largest_grade(measure: Measure) -> int:
    """Return the highest grade, from 0, that what computes the measure takes."""
    exponential = measure.NAME == "ERR" or measure.params.get("dcg") == "exp-log2"
    return _LARGEST_GAIN if exponential else _LARGEST_GRADE


def _parsed(name: str) -> Measure:
    import ir_measures

    try:
        return ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as exc:
        known = [*map(str, ir_measures.measures.registry), "nDCG@10", "RR@10", "P@10", "R@100", "AP"]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}?" if near else "write it as ir-measures does, e.g. nDCG@10"
        raise ConfigError(f"measure {_shown(name)} is not known, or a number in it is below 0; {hint}") from exc


def _checked(name: str, measure: Measure) -> Measure:
    """The measure, after one query has been measured with it: what computes it may be absent, or refuse it."""
    _check_parameters(name, measure)
    provider = _provider(name, measure)
    if reason := _UNFIT.get(provider.NAME):
        raise ConfigError(f"measure {_shown(name)} {reason}; name another one, e.g. nDCG@10")
    if not provider.is_available():
        how = provider.install_instructions()  # type: ignore[no-untyped-call]  # ir-measures leaves it unannotated
        raise ConfigError(f"measure {_shown(name)} needs {provider.NAME}; run: {how}")
    try:
        list(measure.iter_calc({"1": {"a": 1, "b": 0}}, {"1": {"a": 2.0, "b": 1.0}}))
    except Exception as exc:  # whatever its provider raises, on a query that any measure can be computed on
        raise ConfigError(f"measure {_shown(name)} cannot be computed ({exc}); name another one, e.g. nDCG@10") from exc
    return measure


def _provider(name: str, measure: Measure) -> Provider:
    """What computes the measure: the first that is there, else the first that could be installed."""
    import ir_measures

    found: list[Provider] = [each for each in ir_measures.DefaultPipeline.providers if each.supports(measure)]
    if not found:
        raise ConfigError(f"measure {_shown(name)} cannot be computed with these parameters; see https://ir-measur.es")
    return next((each for each in found if each.is_available()), found[0])


def _check_parameters(name: str, measure: Measure) -> None:
    """Refuse what ir-measures refuses, in our words, and what it lets through to a provider that aborts on it."""
    at = measure.AT_PARAM
    for key, value in measure.params.items():
        if key not in measure.SUPPORTED_PARAMS:
            known = ", ".join(measure.SUPPORTED_PARAMS) or "none"
            raise ConfigError(f"measure {_shown(name)}: unknown parameter {key!r}; it has: {known}")
        info, given = measure.SUPPORTED_PARAMS[key], f"{value!r} as {'@' if key == at else key}"
        valid = info.validate(value)  # type: ignore[no-untyped-call]  # unannotated as well
        if not valid or (isinstance(value, bool) and info.dtype is not bool):
            raise ConfigError(f"measure {_shown(name)}: {given} is not what it takes: {info.desc}")
        if key in ("cutoff", "rel") and not 1 <= value <= _LARGEST:
            raise ConfigError(f"measure {_shown(name)}: {given} is not from 1 to {_LARGEST}: {info.desc}")
        if key == "recall" and round(value, 2) != value:
            raise ConfigError(f"measure {_shown(name)}: {given} has more than two decimals, which trec_eval rounds off")
        if key in ("recall", "p") and not 0 <= value <= 1:
            raise ConfigError(f"measure {_shown(name)}: {given} is not from 0 to 1: {info.desc}")
    for key, info in measure.SUPPORTED_PARAMS.items():
        if info.required and key not in measure.params:
            needed = f"@ ({info.desc}), e.g. {name.strip()}@10" if key == at else f"{key} ({info.desc})"
            raise ConfigError(f"measure {_shown(name)} needs {needed}")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
