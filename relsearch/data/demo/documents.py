"""The demo's documents: what the running interpreter's standard library says of itself.

One passage a public module, class, function or method that has its own docstring, with the qualified name as
id, and the language topics of `help()`, cut at paragraphs. Nothing is shipped: texts are read from the
interpreter, so they differ a little between Python versions; ids do not.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import pkgutil
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Optional

from relsearch.core.types import Document

log = logging.getLogger(__name__)

_LEAST_CHARACTERS = 20
_MOST_CHARACTERS = 1200
# Not documentation for users: test suites, demos, things that print, open windows or need a display.
_SKIPPED = {"antigravity", "this", "idlelib", "lib2to3", "test", "tkinter", "turtle", "turtledemo", "pydoc_data"}
# Gone or platform-bound in one of the supported Python versions, or lists of code points.
_SKIPPED |= {
    "curses",
    "distutils",
    "encodings",
    "msilib",
    "asynchat",
    "asyncore",
    "smtpd",
    "imp",
    "nntplib",
    "telnetlib",
}
_SKIPPED |= {"aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "mailcap", "nis", "ossaudiodev", "pipes"}
_SKIPPED |= {"sndhdr", "spwd", "sunau", "uu", "xdrlib"}
_SKIPPED_SUBMODULES = re.compile(r"\.(tests?|__main__|_|idle_test)|\b_")
# Modules that are imported under a private or platform name, and the name they are documented by.
_PUBLIC_NAME = {
    "genericpath": "os.path",
    "nturl2path": "urllib.request",
    "posixpath": "os.path",
    "ntpath": "os.path",
    "posix": "os",
    "nt": "os",
}
# typing.Optional and its like are neither classes nor functions; no public name for their type exists.
_SPECIAL_FORM = type(Optional)
# Defaults that differ between machines and virtual environments: of platform.architecture, sysconfig.get_path.
_LOCAL_DEFAULTS = (sys.executable, f"scheme={sysconfig.get_default_scheme()!r}")
# Programs replace these by their own; what the interpreter had stands under another name.
_HOOKS = {"sys": ("excepthook", "displayhook", "breakpointhook"), "threading": ("excepthook",)}
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+|<[^<>]*object[^<>]*>|/[\w./-]*lib/python[\w./-]*")


def stdlib_documents() -> Iterator[Document]:
    """Yield the passages in the order of their ids; the same ones at each call."""
    found: dict[str, Document] = {}
    texts: set[str] = set()
    modules = dict(_modules())
    # A package before its submodules, so that an object is found where it is meant to be imported from.
    for name in sorted(modules, key=lambda name: (name.count("."), name)):
        for doc_id, title, text in _module_passages(name, modules[name], set(modules)):
            if doc_id not in found and text not in texts:
                texts.add(text)
                found[doc_id] = Document(doc_id, {"title": title, "text": text})
    for doc_id, title, text in _topics():
        found[doc_id] = Document(doc_id, {"title": title, "text": text})
    return iter([found[doc_id] for doc_id in sorted(found)])


def _modules() -> Iterator[tuple[str, ModuleType]]:
    failed = 0
    for top in sorted(sys.stdlib_module_names - _SKIPPED):
        if top.startswith("_") or top in _PUBLIC_NAME:
            continue
        module = _import(top)
        failed += module is None
        if module is None:
            continue
        yield top, module
        yield from _submodules(module)
    yield "os.path", importlib.import_module("os.path")
    log.info("demo: %d standard modules do not exist on this platform", failed)


def _submodules(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Those of every depth. pkgutil's walk would import what is skipped, too: tests import the script's neighbours."""
    for info in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        if not _SKIPPED_SUBMODULES.search(info.name) and (module := _import(info.name)) is not None:
            yield info.name, module
            yield from _submodules(module)


def _import(name: str) -> ModuleType | None:
    """Import a module quietly; None where this platform does not have it."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # deprecated modules warn when imported; here they are only read
        try:
            return importlib.import_module(name)
        except Exception as exc:
            log.debug("demo: %s is left out: %s", name, exc)
            return None


def _module_passages(name: str, module: ModuleType, public: set[str]) -> Iterator[tuple[str, str, str]]:
    if text := _own_text(module):
        yield name, name, text
    classes = []
    for attribute in sorted(getattr(module, "__all__", None) or vars(module)):
        hook = f"__{attribute}__" if attribute in _HOOKS.get(name, ()) else attribute
        value = getattr(module, hook, None)
        if attribute.startswith("_") or not _belongs(value, name, public):
            continue
        if inspect.isclass(value):
            classes.append((f"{name}.{attribute}", value))
        elif inspect.isroutine(value) or isinstance(value, _SPECIAL_FORM):
            yield from _passage(f"{name}.{attribute}", value)
    # After the functions: random.shuffle is found before random.Random.shuffle, which is the same.
    for qualified, value in classes:
        yield from _class_passages(qualified, value)


def _class_passages(name: str, value: type) -> Iterator[tuple[str, str, str]]:
    yield from _passage(name, value)
    for attribute, member in sorted(vars(value).items()):
        wrapped = getattr(member, "__func__", member)
        if not attribute.startswith("_") and (inspect.isroutine(wrapped) or isinstance(wrapped, property)):
            yield from _passage(f"{name}.{attribute}", wrapped)


def _passage(name: str, value: object) -> Iterator[tuple[str, str, str]]:
    if text := _own_text(value):
        yield name, f"{name}{_signature(value)}", text


def _belongs(value: object, name: str, public: set[str]) -> bool:
    """Whether this module is where the object is documented: its own, or one that comes from a private module."""
    home = getattr(value, "__module__", None)
    home = _PUBLIC_NAME.get(str(home), str(home))
    return home == name or home.startswith(f"{name}.") or home not in public


def _own_text(value: object) -> str | None:
    """Return the object's own docstring down to the last whole paragraph that fits, or None if it says too little."""
    text = getattr(value, "__doc__", None)
    if not isinstance(text, str):
        return None
    clean = _ADDRESS.sub("", inspect.cleandoc(text))
    return _first_paragraphs(clean) if len(clean) >= _LEAST_CHARACTERS else None


def _first_paragraphs(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    end = text.rfind("\n\n", 0, _MOST_CHARACTERS)
    return text[: end if end > _LEAST_CHARACTERS else _MOST_CHARACTERS].rstrip()


def _signature(value: object) -> str:
    if isinstance(value, _SPECIAL_FORM):
        return ""  # subscripted, not called
    try:
        text = str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError):  # C signatures may name what their module lacks
        return ""
    local = _ADDRESS.search(text) or any(default in text for default in _LOCAL_DEFAULTS)
    return "" if local or len(text) > 200 else text


def _topics() -> Iterator[tuple[str, str, str]]:
    from pydoc_data.topics import topics

    for name in sorted(topics):
        for number, text in enumerate(_pieces(topics[name]), 1):
            yield f"topic:{name}" if number == 1 else f"topic:{name}#{number}", f"{name} (language reference)", text


def _pieces(text: str) -> Iterator[str]:
    """Cut a topic at blank lines into pieces of at most _MOST_CHARACTERS."""
    piece = ""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if piece and len(piece) + len(paragraph) > _MOST_CHARACTERS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph[:_MOST_CHARACTERS]}" if piece else paragraph[:_MOST_CHARACTERS]
    if len(piece) >= _LEAST_CHARACTERS:
        yield piece
