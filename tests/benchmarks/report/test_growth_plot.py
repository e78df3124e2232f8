"""The diagram of how cost grows."""

from __future__ import annotations

import json
import re

from benchmarks.record import RESULTS
from benchmarks.report.growth import growth_plot

_RECORDED = json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))


def test_each_line_has_its_own_look() -> None:
    """Colour and dashes; the name has the line's colour."""
    drawn = growth_plot(_RECORDED)
    looks = re.findall(r'<path d="[^"]+" fill="none" stroke="([^"]+)" stroke-width="2"( [^/]*)?/>', drawn)
    assert len(looks) == len(set(looks)) == len(_RECORDED["slope"]) + 1  # the one of what grows in proportion
    names = re.findall(r'fill="([^"]+)" stroke="white"[^>]*>(\w+)<', drawn)
    assert {name for _, name in names} == set(_RECORDED["slope"])
    assert {colour for colour, _ in names} <= {colour for colour, _ in looks}


def test_the_recorded_diagram_is_that_of_the_recorded_figures() -> None:
    """Byte for byte."""
    assert (RESULTS / "growth.svg").read_text(encoding="utf-8") == growth_plot(_RECORDED)
