"""The pictures of docs/console.md: `python -m tests.e2e.console.browser.pictures`. Needs Chromium, as its tests do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import sleep

from tests.docs.pages import DOCS
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import running
from tests.support.desk import Desk, Place
from tests.support.names_only import names_only
from tests.support.tree_facts import write_files

PICTURES = DOCS / "pictures"
PAGES = {
    "home": "/",
    "folders": "/projects/parcelo?folder=reports",
    "vanished": "/projects/parcelo/vanished",
    "periods": "/projects/parcelo/periods?period=2026",
    "watch": "/watch",
}
TELLS = re.compile(r"Open (\S+) in a browser: name (\S+), password (\S+?)\. Ctrl-C")
WIDTH, TALLEST = 1120, 800
LAST_END = """most => {
    const things = [...document.querySelectorAll("main tr, main li, main p, main .card, main figure")]
        .map(one => one.getBoundingClientRect()).map(one => [one.top + scrollY, one.bottom + scrollY]);
    const cuts = end => things.some(([top, bottom]) => top < end && end + 1 < bottom);
    return Math.max(...things.map(([_, bottom]) => bottom).filter(end => end < most - 8 && !cuts(end)));
}"""
"""Where the last thing ends that is seen as a whole."""
ROLE = '\n[[console.roles]]\nrole = "restorer"\npeople = ["olena"]\n'


def main() -> None:
    """All of them."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        of_the_demo(Path(scratch))
        of_a_console_without_keys(Path(scratch) / "desk")


def of_the_demo(scratch: Path) -> None:
    """Over the contact centre of `strongroom demo --console`."""
    log = scratch / "log"
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
                    window.open(path)
                    wait_while(window, "[role=status]")
                    take(window, name)
                window.open("/projects/parcelo/export?plan=1&periods=2026-Q3&formats=csv")
                window.fill("reason", "yearly audit")
                window.follow("form[method=post][action$='/export'] button")
                wait_while(window, "form[action$='/cancel']")
                take(window, "verdict")
        finally:
            process.terminate()


def of_a_console_without_keys(folder: Path) -> None:
    """One that sees names alone: somebody wants a folder back, and no host has asked for work yet."""
    desk = Desk(folder, Place("repository"))
    reports = {f"monthly/calls_2026-{month:02}.csv": f"agent,calls\nolena,{month}\n".encode() for month in range(1, 11)}
    write_files(desk.folder / "reports", {"readme.txt": b"calls by month\n", **reports})
    desk.init()
    desk.add("parcelo", f"reports={desk.folder / 'reports'}")
    desk.call("backup")
    shutil.rmtree(desk.folder / "reports/monthly")
    desk.call("backup", exits=(0, 3))
    identity = names_only(desk, "parcelo")
    desk.settings.write_text(desk.settings.read_text() + ROLE)
    password = desk.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    desk.call("console", "user", "add", "olena", "--title", "Olena", "--password-file", str(password))
    with running(desk, "--identity", str(identity)) as console, chromium(console.url) as window:
        window.sign_in("olena", PASSWORD)
        window.open("/projects/parcelo/vanished")
        wait_while(window, "[role=status]")
        window.follow("form.basket p.act button")
        window.open("/projects/parcelo/get-back?goal=place")
        window.follow("form[method=post][action$='/get-back'] button")
        take(window, "host")


def wait_while(window: Chromium, selector: str) -> None:
    """Until the page, opened again and again, has no such element."""
    for _ in range(150):
        if not window.has(selector):
            return
        sleep(0.2)
        window.open(window.path)
    raise AssertionError(f"{window.path} still has {selector}: {window.text}")


def take(window: Chromium, name: str) -> None:
    """As high as the page is, up to a limit, where it ends between two things."""
    metrics = {"width": WIDTH, "height": 200, "deviceScaleFactor": 1, "mobile": False}
    window.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    window.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    height = int(window.evaluate("document.documentElement.scrollHeight")) + 16
    if height > TALLEST:
        height = int(window.evaluate(f"({LAST_END})({TALLEST})"))
    window.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": height})
    (PICTURES / f"console-{name}.png").write_bytes(window.driver.get_screenshot_as_png())


if __name__ == "__main__":
    main()
