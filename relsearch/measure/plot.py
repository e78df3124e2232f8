"""A reliability diagram as SVG text: how often the judge is right, by how sure it said it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_MADE = "drawn by relsearch agree"
_SIDE = 320  # the plot's square, in pixels
_LEFT, _TOP, _BELOW = 48, 34, 64
_DARK, _LIGHT = "#1f5fa8", "#a9c8ea"
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Point = tuple[float, float, int]  # mean confidence, share, pairs


def reliability_svg(exact: Sequence[Point], near: Sequence[Point], *, title: str) -> str:
    """Return a diagram of two series over mean confidence, with the diagonal of a perfectly calibrated judge.

    Classes name its parts, so that a page may draw them in colours of its own.

    `exact` and `near` hold mean confidence, share exactly right or within one grade, and pairs of each bin; a dot's
    area grows with its share of the pairs.
    """
    width, height = _LEFT + _SIDE + 24, _TOP + _SIDE + _BELOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f"<desc>{_MADE}</desc>",
        f'<rect class="paper" width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 20, title, weight="bold"),
        *(line for tick in _TICKS for line in _tick(tick)),
        f'<path class="ideal" d="M{_x(0)} {_y(0)} L{_x(1)} {_y(1)}" stroke="#777" stroke-dasharray="4 4"/>',
        *_series(near, _LIGHT, "near"),
        *_series(exact, _DARK, "exact"),
        _text(_x(0.5), height - 30, "confidence (mean of the bin)", anchor="middle"),
        *_legend(height - 10),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def is_diagram(path: Path) -> bool:
    """Whether a file is a diagram that reliability_svg drew."""
    return f"<desc>{_MADE}</desc>".encode() in path.read_bytes()


def _series(points: Sequence[Point], colour: str, name: str) -> list[str]:
    total = sum(pairs for _, _, pairs in points) or 1
    route = " L".join(f"{_x(confidence)} {_y(share)}" for confidence, share, _ in points)
    dots = [
        f'<circle class="{name}" cx="{_x(confidence)}" cy="{_y(share)}" r="{2 + 12 * (pairs / total) ** 0.5:.1f}" '
        f'fill="{colour}" fill-opacity="0.8"><title>{pairs} pairs: {share:.3f} at {confidence:.3f}</title></circle>'
        for confidence, share, pairs in points
    ]
    return (
        [f'<path class="{name}" d="M{route}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots] if points else []
    )


def _tick(value: float) -> list[str]:
    across = f'<path class="grid" d="M{_x(0)} {_y(value)} H{_x(1)}" stroke="#ddd"/>'
    up = f'<path class="grid" d="M{_x(value)} {_y(0)} V{_y(1)}" stroke="#ddd"/>'
    left = _text(_LEFT - 8, _y(value) + 4, f"{value:.1f}", anchor="end")
    return [across, up, left, _text(_x(value), _y(0) + 16, f"{value:.1f}", anchor="middle")]


def _legend(y: float) -> list[str]:
    names = (("exactly right", _DARK, "exact"), ("within one grade", _LIGHT, "near"))
    places = [(_LEFT + 140 * number, *each) for number, each in enumerate(names)]
    return [
        part
        for x, name, colour, series in places
        for part in (f'<circle class="{series}" cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/>', _text(x + 10, y, name))
    ]


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _x(value: float) -> float:
    return round(_LEFT + _SIDE * value, 1)


def _y(value: float) -> float:
    return round(_TOP + _SIDE * (1 - value), 1)
