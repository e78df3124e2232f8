"""Entry points of other packages: loaded when their name is asked for; a built-in name is never one of them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from relsearch.core.errors import ConfigError, RelsearchError

Group = Literal["relsearch.searchers", "relsearch.judges", "relsearch.scorers"]


def plugin_names(group: Group) -> list[str]:
    """Return the names that installed packages register in a group, sorted; nothing is loaded."""
    return sorted({point.name for point in entry_points(group=group)})


def has_plugin(group: Group, name: str) -> bool:
    """Whether an installed package registers the name; nothing is loaded."""
    return name in plugin_names(group)


def load_plugin(group: Group, name: str, *, needs: tuple[str, ...] = ()) -> Any:
    """Return what an installed package registers under a name.

    Raise ConfigError where two packages do, where importing it fails, or where it lacks an attribute of `needs`.
    """
    points = list(entry_points(group=group, name=name))
    if len(points) != 1:
        owners = ", ".join(sorted(map(_owner, points))) or "no package"
        raise ConfigError(f"{group} {name!r}: registered by {owners}; install one package that does")
    (point,) = points
    try:
        loaded = point.load()
    except Exception as exc:  # whatever a foreign module raises when it is imported
        raise broken_plugin(group, name, f"{_owner(point)}: {point.value} cannot be imported", exc) from exc
    if lacking := [attribute for attribute in needs if not hasattr(loaded, attribute)]:
        raise ConfigError(f"{group} {name!r} ({_owner(point)}): {point.value} lacks {', '.join(lacking)}")
    return loaded


def open_plugin(group: Group, name: str, *arguments: object, needs: tuple[str, ...]) -> Any:
    """Call what a package registers under a name, and return the object.

    Raise ConfigError where it cannot be loaded or called, or where the object lacks an attribute of `needs`.
    """
    opened = load_plugin(group, name)
    try:
        made = opened(*arguments)
    except RelsearchError:
        raise
    except Exception as exc:
        raise broken_plugin(group, name, "cannot be opened", exc) from exc
    check_plugin(group, name, made, needs)
    return made


def check_plugin(group: Group, name: str, made: object, needs: tuple[str, ...]) -> None:
    """Raise ConfigError where what a plug-in returned lacks an attribute of `needs`."""
    if lacking := [attribute for attribute in needs if not hasattr(made, attribute)]:
        raise ConfigError(f"{group} {name!r}: it returned a {type(made).__name__} without {', '.join(lacking)}")


def broken_plugin(group: Group, name: str, what: str, exc: Exception) -> ConfigError:
    """Return the error, one line, of a plug-in that raised."""
    reason = " ".join(str(exc).split())
    return ConfigError(f"{group} {name!r}: {what}: {type(exc).__name__}: {reason}; mend or uninstall its package")


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "a package"
