"""What a forked process makes anew: it inherits pools without their threads, and locks that no thread will open."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """What cannot be used as a forked process inherits it."""

    def after_fork(self) -> None:
        """Make anew what did not come along; called in the forked process, before anything else runs there."""
        ...


_INHERITED: WeakSet[Inherited] = WeakSet()


def renew_after_fork(owner: Inherited) -> None:
    """Call the owner's `after_fork` in every process that is forked while it lives."""
    _INHERITED.add(owner)


def call_after_fork(function: Callable[[], object]) -> None:
    """Call a function in every forked process; do nothing where the system cannot fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def _renew() -> None:
    for owner in list(_INHERITED):
        owner.after_fork()


call_after_fork(_renew)
