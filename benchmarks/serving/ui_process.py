"""`relsearch ui` in a process of its own, and a Chromium to look at it with."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_CODE = "from relsearch.cli import main; main()"


class App:
    """The app with some arguments; a second start takes the port of the first."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._arguments, self._folder = arguments, folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Return once it listens."""
        command = [sys.executable, "-c", _CODE, "ui", *self._arguments, "--port", self.url.rpartition(":")[2] or "0"]
        self._process = subprocess.Popen(command, cwd=self._folder, stderr=subprocess.PIPE, text=True)
        if self._process.stderr is None:
            raise SystemExit("no pipe")
        for line in self._process.stderr:
            if found := re.search(r"relsearch ui: (http://\S+)", line):
                self.url = found[1]
                return
        raise SystemExit(f"relsearch ui ended with status {self._process.wait()}")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()


@contextmanager
def running(arguments: Sequence[str], folder: Path) -> Iterator[App]:
    """Yield the app, which has started; end it afterwards."""
    app = App(arguments, folder)
    app.start()
    try:
        yield app
    finally:
        app.kill()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the system's Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("no chromium; on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
