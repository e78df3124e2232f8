"""Field names that nothing has: what the error says of the names that there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

_NEAREST = 3
_SHOWN = 10  # names in one error
_ALIKE = 0.5  # of difflib's ratio: `titel` and `title` have 0.8, `body` and `text` 0


def nearest(name: str, known: Collection[str]) -> list[str]:
    """Return up to three known names that come near a name, the nearest first.

    A name also comes near where its last part is the same: `body` and `content.body`.
    """
    leaf = name.rpartition(".")[2].lower()
    same = sorted(each for each in known if each.rpartition(".")[2].lower() == leaf)
    folded = {each.lower(): each for each in sorted(known)}
    close = [folded[each] for each in get_close_matches(name.lower(), folded, n=_NEAREST, cutoff=_ALIKE)]
    return list(dict.fromkeys([*same, *close]))[:_NEAREST]


def field_fault(where: str, absent: Iterable[str], known: Collection[str], *, kind: str = "fields") -> str:
    """Return what is wrong with absent fields: which they are, the nearest names, and the first of those there are."""
    names = sorted(absent)
    near = list(dict.fromkeys(each for name in names for each in nearest(name, known)))
    shown = sorted(known)[:_SHOWN]
    rest = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    said = f"{where} no field {', '.join(names)}"
    said += f"; nearest: {', '.join(near)}" if near else ""
    return f"{said}; {kind} there are: {', '.join(shown) or 'none'}{rest}"
