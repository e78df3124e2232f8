"""How cost grows as SVG text: CPU time over size on logarithmic axes, where a power of the size is a straight line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Points = Sequence[tuple[float, float]]  # n and CPU seconds, both above 0

_WIDTH, _HEIGHT = 640, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 110, 16, 44  # margins; names of lines stand in the right one
_LINE = 15  # pixels between names
_COLOURS = ("#1f5fa8", "#c4541a", "#2a7d3f", "#8a3b8f", "#8f6f12", "#1f7d85")
_DASHES = ("", ' stroke-dasharray="10 3"', ' stroke-dasharray="2 3"')
_LOOKS = [(colour, dash) for dash in _DASHES for colour in _COLOURS]


def growth_svg(lines: Mapping[str, Points]) -> str:
    """Return a log-log diagram with a line a verb, each of its own look; a grey one shows what grows in proportion.

    At most 18 lines.
    """
    sizes, seconds = zip(*(point for points in lines.values() for point in points), strict=True)
    across, up = _decades(sizes), _decades(seconds)

    def place(n: float, cpu: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(n) - across[0]) / (across[-1] - across[0])
        y = _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (math.log10(cpu) - up[0]) / (up[-1] - up[0])
        return round(x, 1), round(y, 1)

    left, right, low, high = (10.0**end for end in (across[0], across[-1], up[0], up[-1]))
    diagonal = [place(left, low), place(min(right, left * high / low), min(high, low * right / left))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="CPU time of each verb by size" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *(_tick(place(10.0**power, low), place(10.0**power, high), f"{10**power:,}", below=True) for power in across),
        *(_tick(place(left, 10.0**power), place(right, 10.0**power), f"{10.0**power:g} s") for power in up),
        _path(diagonal, "#777", ' stroke-dasharray="4 4"'),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">'
        "CPU time by n (grey: in proportion)</text>",
    ]
    names: list[str] = []
    bottoms: dict[float, float] = {}  # of the names that begin at the same place
    for number, (verb, points) in enumerate(sorted(lines.items(), key=lambda each: each[1][-1][1])):
        colour, dash = _LOOKS[number]
        route = [place(*point) for point in points]
        x, y = route[-1]
        bottoms[x] = min(bottoms.get(x, math.inf) - _LINE, y + 4)
        parts += [
            _path(route, colour, dash),
            *(f'<circle cx="{at}" cy="{height}" r="3" fill="{colour}"/>' for at, height in route),
        ]
        # Edged in white, since lines pass behind names.
        edge = 'stroke="white" stroke-width="4" paint-order="stroke"'
        names.append(f'<text x="{x + 8}" y="{bottoms[x]:.1f}" fill="{colour}" {edge}>{verb}</text>')
    return "\n".join([*parts, *names, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> range:
    """Powers of ten that hold the values between them."""
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def _tick(start: tuple[float, float], end: tuple[float, float], name: str, *, below: bool = False) -> str:
    (x, y), (to_x, to_y) = start, end
    text = f'x="{x}" y="{y + 18}" text-anchor="middle"' if below else f'x="{x - 8}" y="{y + 4}" text-anchor="end"'
    return f'<path d="M{x} {y} L{to_x} {to_y}" stroke="#ddd"/><text {text}>{name}</text>'


def _path(route: Sequence[tuple[float, float]], colour: str, more: str = "") -> str:
    points = " L".join(f"{x} {y}" for x, y in route)
    return f'<path d="M{points}" fill="none" stroke="{colour}" stroke-width="2"{more}/>'
