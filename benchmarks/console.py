"""The console over a thousand snapshots of 20,000 items: how long pages take, alone and for fifty people at once, and memory.

    python -m benchmarks.console [--snapshots 1000] [--items 20000] [--people 50] [--seconds 20] [--work FOLDER] [--keep]

The history is made up (see `benchmarks.history_data`), and read by a console in a process of its own, over HTTP on loopback, by
a person who may see everything. The first page is measured right after the start, while nothing is known yet, and once
everything is. People wait between their clicks for a second or two, and what they open is drawn by lot: the first page,
folders, periods, searches, an item, the timeline, what vanished. Memory is the most that the console's process had. Prints
passed or FAILED beside the limits, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.desk import Desk, opened
from benchmarks.history_data import SHAPES, SOURCE, Hours, path_of, write_history
from benchmarks.scratch import child_environment, require_program, say
from strongroom import context, maintenance
from vault.progress import NoProgress

PROJECT, PERSON = "acme", "somebody"
FIRST_MS, FOLDER_MS, CROWD_MS, MEMORY_MB = 300.0, 200.0, 500.0, 250.0
ROUNDS = 30
THINKING = (1.0, 2.0)
"""Seconds between two clicks of a person."""

Drawn = Callable[[random.Random], str]
"""Gives an address."""


def main() -> int:
    """Writes the history, asks, and tells."""
    options = _options()
    folder = options.work.resolve()
    if options.keep and (folder / "desk" / "strongroom.toml").exists():
        environment = child_environment() | {"HOME": str(folder / "desk" / "home")}
        os.environ.update(environment)
        desk = Desk(folder / "desk", environment, require_program("strongroom"), ())
        return _measure(desk, options)
    with opened(folder, "console", s3=False, keep=options.keep) as desk:
        desk.make(PROJECT, SOURCE)
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            apart.submit(_write, desk, options.snapshots, options.items).result()
        return _measure(desk, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long they are there")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-console")
    parser.add_argument("--keep", action="store_true", help="leave the history, and ask the one that an earlier run left")
    return parser.parse_args()


def _write(desk: Desk, snapshots: int, items: int) -> None:
    """In a process of its own: it takes more memory than what is measured."""
    with context.opened(desk.folder / "strongroom.toml") as place:
        project = place.project(PROJECT)
        hours = Hours(items, SHAPES["hourly reports"], seed=1)
        for number, _ in enumerate(write_history(project, hours, snapshots, periods=True), 1):
            if number % maintenance.EVERY == 0:
                maintenance.run_maintenance(project, SOURCE, NoProgress(), locked=False)
            if number % 100 == 0:
                say(f"{number} snapshots")


def _measure(desk: Desk, options: argparse.Namespace) -> int:
    pages = _pages(options.items)
    desk.forget("*/history")  # a first start
    print(f"| {options.snapshots} snapshots of {options.items:,} items | median | 95 % | longest | cpu a page | |")
    print("| --- | --- | --- | --- | --- | --- |")
    passed = []
    with _console(desk) as (port, process):
        one = _Browser(port)
        _tell(process, "first page, right after the start", lambda: [one.get("/")], None)
        _wait_until_known(one)
        passed.append(_tell(process, "first page", lambda: [one.get("/") for _ in range(ROUNDS)], FIRST_MS))
        for name, drawn in pages.items():
            chance = random.Random(7)
            addresses = [drawn(chance) for _ in range(ROUNDS + 1)]
            one.get(addresses.pop())
            passed.append(_tell(process, name, partial(_all_of, one, addresses), FOLDER_MS))
        title, every = f"{options.people} people at once", [lambda _: "/", *pages.values()]
        passed.append(_tell(process, title, lambda: _crowd(port, options.people, options.seconds, every), CROWD_MS))
        most = process.most_memory()
    verdict = "passed" if most <= MEMORY_MB else "FAILED"
    print(f"| memory | {most:.0f} MB | | | | {verdict} ({MEMORY_MB:.0f} MB) |")
    return 0 if all(passed) and most <= MEMORY_MB else 1


class _Process:
    """What the console's process has used."""

    def __init__(self, number: int) -> None:
        self._folder = Path(f"/proc/{number}")

    def most_memory(self) -> float:
        """MB."""
        return int((self._folder / "status").read_text().split("VmHWM:")[1].split()[0]) / 1000

    def processor(self) -> float:
        """Milliseconds of processor time."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _all_of(one: _Browser, addresses: Sequence[str]) -> list[float]:
    return [one.get(address) for address in addresses]


def _pages(items: int) -> dict[str, Drawn]:
    """Addresses by what they are, each drawn by lot."""
    project, days = f"/projects/{PROJECT}", ("2026-01-05", "2026-01-06", "2026-01-07")

    def hour(chance: random.Random) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=chance.randrange(items))

    return {
        "a folder": lambda chance: f"{project}?folder=reports/{hour(chance):%Y/%m}",
        "a search": lambda chance: f"{project}/search?q={hour(chance):%m/%d}+csv",
        "a period": lambda chance: f"{project}/periods?period={hour(chance):%Y-%m}",
        "an item": lambda chance: f"{project}/item?path={path_of(chance.randrange(items)).decode()}",
        "the timeline": lambda chance: f"{project}/timeline?page={chance.randrange(1, 15)}",
        "what vanished": lambda chance: f"{project}/vanished?since=ever&page={chance.randrange(1, 3)}",
        "a folder at a moment": lambda chance: f"{project}?folder=reports/{hour(chance):%Y/%m}&at={days[chance.randrange(3)]}",
    }


class _Browser:
    """A connection that stays, and the cookies of nobody: who asks is in a header."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.text = ""

    def get(self, path: str) -> float:
        """Milliseconds until a page was there. Raises ConnectionError for one that is none."""
        begun = time.perf_counter()
        self._connection.request("GET", path, headers={"x-person": PERSON, "accept-language": "en"})
        answer = self._connection.getresponse()
        self.text = answer.read().decode()
        if answer.status != 200:
            raise ConnectionError(f"{path}: {answer.status}\n{self.text[-2000:]}")
        return (time.perf_counter() - begun) * 1000


def _wait_until_known(one: _Browser) -> None:
    begun = time.monotonic()
    while "being read" in one.text and time.monotonic() - begun < 120:
        time.sleep(0.1)
        one.get("/")
    say(f"everything was known {time.monotonic() - begun:.1f} s after the first page")


def _crowd(port: int, people: int, seconds: float, pages: Sequence[Drawn]) -> list[float]:
    """How long each page took for people who come one after another, and stay."""
    end = time.monotonic() + seconds
    taken: list[float] = []
    lock = threading.Lock()

    def click(number: int) -> None:
        chance, browser = random.Random(number), _Browser(port)
        time.sleep(chance.uniform(0, THINKING[1]))
        while time.monotonic() < end:
            found = browser.get(chance.choice(pages)(chance))
            with lock:
                taken.append(found)
            time.sleep(chance.uniform(*THINKING))

    with ThreadPoolExecutor(people) as pool:
        list(pool.map(click, range(people)))
    return taken


def _tell(process: _Process, name: str, ask: Callable[[], list[float]], limit: float | None) -> bool:
    """A row of the table; whether 95 % of the pages took no longer than the limit, in milliseconds."""
    before = process.processor()
    ordered = sorted(ask())
    cpu = (process.processor() - before) / len(ordered)
    most = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    passed = limit is None or most <= limit
    verdict = "" if limit is None else f"{'passed' if passed else 'FAILED'} ({limit:.0f} ms)"
    shown = f"{statistics.median(ordered):.0f} ms | {most:.0f} ms | {ordered[-1]:.0f} ms | {cpu:.0f} ms"
    print(f"| {name}{f', {len(ordered)} pages' if limit == CROWD_MS else ''} | {shown} | {verdict} |", flush=True)
    return passed


@contextmanager
def _console(desk: Desk) -> Iterator[tuple[int, _Process]]:
    """Its port, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "benchmarks.console_server", str(desk.folder / "strongroom.toml"), str(port), PERSON]
    process = subprocess.Popen(words, env=desk.environment, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if line.strip() != "ready":
            raise RuntimeError("the console did not start")
        yield port, _Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
