"""Addresses to listen at: which of them only this machine reaches, and whether one is free."""

from __future__ import annotations

import ipaddress
import os
import socket

from relsearch.core.errors import ConfigError, reason


def is_loopback(host: str) -> bool:
    """Whether a name or an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address; raise ConfigError where that is taken or not of this machine."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, ValueError) as exc:  # the latter for what cannot be a name
        raise _cannot_listen(host, port, reason(exc)) from exc
    made = socket.socket(family)
    if os.name == "posix":  # so that a server may be started again at once; on Windows it would share a taken port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as exc:
        made.close()
        raise _cannot_listen(host, port, reason(exc)) from exc
    return made


def check_free(host: str, port: int) -> None:
    """Raise ConfigError where a server that binds the address itself could not; nobody can connect meanwhile."""
    bound(host, port).close()


def _cannot_listen(host: str, port: int, why: str) -> ConfigError:
    return ConfigError(f"cannot listen at {host}:{port} ({why}); pass another --port or --host")
