"""The fenced blocks of the documentation, each with the marker that says how it is tested.

A marker is a comment on the line before the fence, `<!-- test: KIND -->`; `elsewhere FILE` names a test of the page:

files     shell lines that work where the reader's files are; small real ones stand in
engine    shell lines that reach a search engine at 127.0.0.1:9200; a real one stands in, on a port of its own
stages    shell lines that train; tiny models stand in
config    a relsearch.toml, gateway a gateway.toml: they load
python    code that runs as it is
make      targets of the Makefile
pip       packages and extras that are installed
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

# Tutorials first, since they make the collection that other pages read.
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs" / "tutorials").glob("*.md"), reverse=True),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
LANGUAGES = {
    "files": "sh",
    "engine": "sh",
    "stages": "sh",
    "make": "sh",
    "pip": "sh",
    "config": "toml",
    "gateway": "toml",
    "python": "python",
}
_FENCE = re.compile(r"(?:^<!-- test: (\w+(?: [\w/.-]+)?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it stands, the kind that its marker names, the language of its fence, and its text."""

    page: str
    line: int
    kind: str
    language: str
    text: str

    @property
    def end(self) -> int:
        """The line of its closing fence."""
        return self.line + bool(self.kind) + self.text.count("\n") + 1

    @property
    def commands(self) -> list[str]:
        """The shell lines, without what is only a comment; a line that ends in a backslash goes on."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if shlex.split(line, comments=True)]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page.name, line, found[1] or "", found[2], found[3])


def all_blocks(*kinds: str) -> list[Block]:
    """Return the blocks of these kinds, of all pages."""
    return [block for page in PAGES for block in blocks(page) if block.kind in kinds]
