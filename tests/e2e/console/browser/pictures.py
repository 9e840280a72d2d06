"""The pictures of docs/console.md: `python -m tests.e2e.console.browser.pictures`. Needs Chromium, as its tests do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import sleep

from tests.docs.pages import DOCS
from tests.support.chromium import Chromium, chromium

PAGES = {
    "home": "/",
    "folders": "/projects/parcelo?folder=reports",
    "vanished": "/projects/parcelo/vanished",
    "periods": "/projects/parcelo/periods",
    "watch": "/watch",
}
TELLS = re.compile(r"Open (\S+) in a browser: name (\S+), password (\S+?)\. Ctrl-C")


def main() -> None:
    """Over the contact centre of `strongroom demo --console`."""
    folder = DOCS / "pictures"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        program = Path(sys.executable).with_name("strongroom")
        with (
            log.open("wb") as out,
            subprocess.Popen(
                [program, "demo", "--console", "--years", "0.5"], stdout=out, stderr=out, env=dict(os.environ)
            ) as process,
        ):
            try:
                while (found := TELLS.search(log.read_text())) is None:
                    assert process.poll() is None, log.read_text()
                    sleep(0.2)
                with chromium(found[1]) as window:
                    window.sign_in(found[2], found[3])
                    for name, path in PAGES.items():
                        _take(window, path, folder / f"console-{name}.png")
            finally:
                process.terminate()


def _take(window: Chromium, path: str, file: Path) -> None:
    window.open(path)
    for _ in range(100):
        if not window.has("[role=status]"):
            break
        sleep(0.2)
        window.open(path)
    file.write_bytes(window.driver.get_screenshot_as_png())


if __name__ == "__main__":
    main()
