"""The Java virtual machine for Lucene: found, started once a process with Anserini's jar on its class path."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from relsearch.core.errors import MissingExtraError, SearchEngineError

_OLDEST = 21
_MODULE = "jdk.incubator.vector"
_HEAP = "-Xmx1g"


def find_java() -> Path:
    """Return a Java home that can run Lucene; raise SearchEngineError that says which one is needed.

    Looked for, in this order: RELSEARCH_JAVA_HOME, JAVA_HOME, /usr/lib/jvm/*, the runtime inside the package
    arcadedb-embedded.
    """
    for home in _homes():
        if _suits(home):
            return home
    raise SearchEngineError(
        f"lucene needs Java {_OLDEST} or newer with the module {_MODULE}, and none was found; "
        "install one and set RELSEARCH_JAVA_HOME, or: pip install arcadedb-embedded"
    )


@cache
def lucene_class(name: str) -> Any:
    """Return a class of org.apache.lucene by the rest of its name."""
    return java_class(f"org.apache.lucene.{name}")


@cache
def java_class(name: str) -> Any:
    """Return a Java class, starting the virtual machine at the first call."""
    _start()
    from jnius import autoclass

    return autoclass(name)


def cast_to(name: str, value: Any) -> Any:
    """Return the object as a class of org.apache.lucene, for choosing between overloads."""
    from jnius import cast

    return cast(f"org.apache.lucene.{name}", value)


@cache
def _start() -> None:
    try:
        import jnius_config
    except ImportError as exc:
        raise MissingExtraError("lucene", "lucene") from exc
    if not jnius_config.vm_running:
        os.environ["JAVA_HOME"] = str(find_java())  # pyjnius reads it when the machine starts
        jnius_config.add_options(f"--add-modules={_MODULE}", _HEAP)
        jnius_config.set_classpath(str(_jar()))


def _jar() -> Path:
    spec = importlib.util.find_spec("pyserini")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for jar in Path(folder).glob("resources/jars/anserini-*-fatjar.jar"):
            return jar
    raise MissingExtraError("lucene", "lucene")


def _homes() -> Iterator[Path]:
    for variable in ("RELSEARCH_JAVA_HOME", "JAVA_HOME"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield from sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)
    spec = importlib.util.find_spec("arcadedb_embedded")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / "jre"


def _suits(home: Path) -> bool:
    """Read the `release` file of a Java home."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return False
    version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return version is not None and int(version.group(1)) >= _OLDEST and _MODULE in text
