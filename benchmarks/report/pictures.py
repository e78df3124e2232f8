"""Pictures for the documentation: the first screen of a page in Chromium.

`python -m benchmarks.report.pictures report.html docs/images/report.png`; the page is a file or an address.
"""

from __future__ import annotations

import argparse
from pathlib import Path

_WIDTH, _HEIGHT = 1120, 560


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    take(options.page, options.picture)
    print(f"{options.picture}: {options.picture.stat().st_size / 1000:.0f} kB")


def take(page: str, picture: Path) -> None:
    """Write the first screen of a page as a PNG file."""
    from playwright.sync_api import sync_playwright

    picture.parent.mkdir(parents=True, exist_ok=True)
    address = page if "://" in page else Path(page).resolve().as_uri()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        tab.goto(address)
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
