"""Lets relsearch/index and relsearch/exporters lead to index/ and exporters/ where git made no links of them.

Everything else is in pyproject.toml. Such checkouts hold a link as a file with its target as the only line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent


def link(name: str) -> None:
    """Put a link, on Windows a junction, which needs no rights, in the place of such a file."""
    place = ROOT / "relsearch" / name
    if not place.is_file() or place.read_text(encoding="utf-8").strip() != f"../{name}":
        return
    place.unlink()
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(ROOT / name), str(place))
    else:
        place.symlink_to(f"../{name}", target_is_directory=True)


for folder in ("index", "exporters"):
    link(folder)
setup()
