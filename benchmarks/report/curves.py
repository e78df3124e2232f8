"""A small line plot as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP = 440, 220, 52, 34  # pixels: the plot, and what stands left of and above it
_COLOURS = ("#1f5fa8", "#c2571a", "#3b8c4a", "#8a4fa3", "#777777")


def curves_svg(lines: Mapping[str, Sequence[float]], at: Sequence[str], *, title: str, x: str) -> str:
    """Return lines over evenly spaced places, with a dashed one at 0 and the lines' names below; at most five."""
    values = [0.0, *(value for line in lines.values() for value in line)]
    low, high = min(values), max(values)

    def place(value: float) -> float:
        return round(_TOP + _HEIGHT * (high - value) / (high - low), 1)

    across = [round(_LEFT + _WIDTH * number / (len(at) - 1), 1) for number in range(len(at))]
    bottom = _TOP + _HEIGHT
    width, height = _LEFT + _WIDTH + 24, bottom + 44 + 18 * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(8, 20, title, weight="bold"),
        f'<path d="M{_LEFT} {place(0)} h{_WIDTH}" stroke="#777" stroke-dasharray="4 4"/>',
        *(
            _text(_LEFT - 8, place(value) + 4, f"{value:+.3f}" if value else "0", anchor="end")
            for value in sorted({low, 0.0, high})
        ),
        *(_text(left, bottom + 18, name, anchor="middle") for left, name in zip(across, at, strict=True)),
        _text(_LEFT + _WIDTH / 2, bottom + 36, x, anchor="middle"),
    ]
    for number, ((name, line), colour) in enumerate(zip(lines.items(), _COLOURS, strict=False)):
        route = " L".join(f"{left} {place(value)}" for left, value in zip(across, line, strict=True))
        below = bottom + 56 + 18 * number
        parts += [
            f'<path d="M{route}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<path d="M{_LEFT} {below - 4} h20" stroke="{colour}" stroke-width="2"/>',
            _text(_LEFT + 28, below, name),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
