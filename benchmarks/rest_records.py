"""Records of a REST interface: what Strongroom adds to the interface's own time.

python -m benchmarks.rest_records                   # 200,000 tickets a month for two years; 20 minutes, 8 GB
python -m benchmarks.rest_records --scale 0.05      # a twentieth of them
python -m benchmarks.rest_records --backups         # the same through `strongroom backup`, over HTTP: first, and three hours
python -m benchmarks.rest_records --rate 20         # 10,000 tickets with comments over HTTP at the rate that is allowed

The first asks an interface within this process, which answers at once, so that what is measured is Strongroom's own work. The
second backs up from a server in another process, and takes off the time that this one needed to make its answers; limits: 2 s
for an unchanged hour beyond that, 400 MB. The third asks a server on loopback, and says by how much it took longer than so many
requests at that rate must; limit: 5 %.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from benchmarks.desk import Desk, opened
from tests.support.rest_double import Answered, Asked, ModelDesk, RestDouble, serving
from tests.support.rest_sources import COMMENTS, INCREMENTAL, described
from vault.clock import SystemClock
from vault.coverage import Coverage
from vault.progress import never
from vault.source.item_list import ItemList
from vault.source.rest import exact_json
from vault.source.rest.client import Question, Reply, RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.source import RestOptions, RestSource

MONTHS, A_MONTH = 24, 200_000
PAGE = 1000
START = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 3
MOST_SECONDS, MOST_MEMORY, MOST_OVERHEAD = 2.0, 400_000_000, 5.0
"""Of an unchanged hour beyond the interface's own time; bytes; percent beyond the time that a rate allows."""

DESCRIPTION = f"""
title = "200,000 tickets a month"

[resources.tickets]
path = "tickets"
records = "results"
time = "created"
paging = {{ type = "keyset", parameter = "after", size_parameter = "size", size = {PAGE}, total = "count" }}
incremental = {{ field = "modified", parameters = {{ modified_from = "{{since}}", order = "modified" }} }}
"""


class AtOnce(RestClient):
    """Answers itself: tickets by growing ids, of which nothing is modified any more."""

    count = 0
    spent = 0.0

    def ask(self, question: Question, *, impatient: bool = False) -> Reply:
        begun = time.perf_counter()
        data = _page(dict(part.split("=") for part in question.query.split("&")), self.count)
        self.spent += time.perf_counter() - begun
        return Reply(exact_json.parse(data), {}, time.time())


class AtOnceServer(RestDouble):
    """The same over HTTP; `/api/spent` says how long the answers took to make."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.spent = count, 0.0

    def answer(self, asked: Asked) -> Answered:
        self.asked.clear()
        if asked.path == "/api/spent":
            return Answered(json.dumps(self.spent).encode())
        begun = time.perf_counter()
        data = _page(asked.query, self.count)
        self.spent += time.perf_counter() - begun
        return Answered(data, headers={"Date": format_datetime(datetime.now(UTC), usegmt=True)})


def _page(query: dict[str, str], count: int) -> bytes:
    after = int(query.get("after", 0))
    last = min(after + PAGE, count)
    is_quiet = "modified_from" in query
    records = [] if is_quiet else [_ticket(number, count) for number in range(after + 1, last + 1)]
    return json.dumps({"count": 0 if is_quiet else count - after, "results": records}).encode()


def _ticket(number: int, count: int) -> dict[str, Any]:
    month = (number - 1) // max(1, count // MONTHS) % MONTHS
    created = START.replace(year=2023 + month // 12, month=1 + month % 12, day=1 + number % 28).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": number,
        "created": created,
        "modified": created,
        "status": "closed",
        "priority": number % 5,
        "queue": f"line {number % 9}",
        "title": f"parcel {number} is late",
        "description": "The parcel should have been there yesterday. " * 6,
        "score": number / 7,
        "client": {"phone": f"+380{number:09}", "name": f"client {number % 10_000}"},
        "tags": ["delivery", f"branch-{number % 400}"],
    }


@contextmanager
def _measured(what: str) -> Iterator[None]:
    begun, used = time.perf_counter(), time.process_time()
    yield
    took, cpu, peak = (
        time.perf_counter() - begun,
        time.process_time() - used,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )
    print(f"{what:<40} {took:8.2f} s   processor {cpu:8.2f} s   peak {peak >> 10} MB", flush=True)


def months(folder: Path, step: str) -> None:
    """One step, in a process of its own: `first` or `hour`."""
    description = described("keyset", size=PAGE, incremental=INCREMENTAL)
    client = AtOnce(description, "http://127.0.0.1:1/api/", Credentials(), SystemClock())
    source = RestSource(RestOptions(description, "http://127.0.0.1:1/api/", folder), client, b"tickets", SystemClock())
    ItemList(b"", 0).scan(frozenset(), Coverage("", ()))  # pyarrow is imported, as it is in a backup before its sources
    with _measured(f"{step}: scan of {AtOnce.count} tickets"):
        found = source.scan(never)
    print(f"  of these the interface's own {client.spent:.2f} s; {found.table.num_rows} items, mirror {_size(folder) >> 20} MB")
    if step == "first":
        with _measured("  all of it read"), source.reader() as reader:
            total = 0
            for path in found.table["path"].to_pylist():
                if path.endswith(b".jsonl"):
                    stream = reader.open_large(path)
                    buffer, at = bytearray(1 << 20), 0
                    while count := stream.readinto(buffer, at):  # type: ignore[union-attr]
                        at += count
                    total += at
        print(f"  {total >> 20} MB of JSON Lines")
    source.close()


def backups(work: Path, count: int) -> bool:
    """Through the command; whether it is within the limits."""
    with opened(work / "strongroom-rest-records", "rest-records", s3=False) as desk, _served(count) as url:
        (desk.folder / "desk.toml").write_text(DESCRIPTION)
        desk.call("init", *desk.address, "--recovery-kit", str(desk.folder / "kit.txt"))
        desk.call("project", "add", "desk")
        desk.call("source", "add", "desk", "tickets", "rest:desk.toml", "--option", f"base={url}", "--yes")
        print(f"| {count} tickets | wall | processor | the interface's own | memory | |\n| --- | --- | --- | --- | --- | --- |")
        passed = [_backup(desk, url, name) for name in ("first backup", *["unchanged hour"] * HOURS)]
        return all(passed)


def _backup(desk: Desk, url: str, name: str) -> bool:
    before = _spent(url)
    cost = desk.call("backup")
    own = _spent(url) - before
    passed = cost.rss <= MOST_MEMORY and (name == "first backup" or cost.wall - own <= MOST_SECONDS)
    sizes = f"{cost.wall:.2f} s | {cost.cpu:.2f} s | {own:.2f} s | {cost.rss / 1e6:.0f} MB"
    print(f"| {name} | {sizes} | {'passed' if passed else 'FAILED'} |", flush=True)
    return passed


@contextmanager
def _served(count: int) -> Iterator[str]:
    """An interface in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.rest_records", "--serve", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (process.stdout or sys.stdin).readline().strip()
        finally:
            process.kill()


def _spent(url: str) -> float:
    with urllib.request.urlopen(f"{url}spent", timeout=60) as answer:
        return float(json.loads(answer.read()))


def _serve(count: int) -> None:
    with serving(AtOnceServer(count)) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def rated(rate: float, tickets: int) -> None:
    """Tickets with comments over HTTP."""
    with serving(ModelDesk()) as desk, tempfile.TemporaryDirectory() as folder:
        for number in range(tickets):
            desk.add(title=f"ticket {number}", at=START + timedelta(hours=number))
        limits = {"requests_per_second": rate}
        description = described("keyset", incremental=INCREMENTAL, children=COMMENTS, limits=limits)
        client = RestClient(description, desk.url, Credentials(), SystemClock())
        source = RestSource(RestOptions(description, desk.url, Path(folder)), client, b"tickets", SystemClock())
        ItemList(b"", 0).scan(frozenset(), Coverage("", ()))  # pyarrow is imported
        used = time.process_time()
        begun = time.perf_counter()
        source.scan(never)
        took = time.perf_counter() - begun
        source.close()
        least = (len(desk.asked) - 1) / rate
        over = 100 * (took / least - 1)
        verdict = "passed" if over < MOST_OVERHEAD else "FAILED"
        print(
            f"{len(desk.asked)} requests at {rate:g} a second: {took:.1f} s, at least {least:.1f} s, {over:.1f} % over: ",
            end="",
        )
        print(verdict)
        print(f"processor time, the double's included: {1e3 * (time.process_time() - used) / len(desk.asked):.2f} ms a request")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--rate", type=float)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--backups", action="store_true")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    AtOnce.count = int(MONTHS * A_MONTH * given.scale)
    if given.serve is not None:
        _serve(given.serve)
    elif given.rate:
        rated(given.rate, given.tickets)
    elif given.backups:
        sys.exit(not backups(given.work.resolve(), AtOnce.count))
    elif given.step:
        months(given.work, given.step)
    else:
        folder = Path(tempfile.mkdtemp(prefix="strongroom-records-", dir=given.work))
        try:
            for step in ("first", "hour", "hour"):
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.rest_records",
                    "--step",
                    step,
                    "--work",
                    str(folder),
                    "--scale",
                    str(given.scale),
                ]
                subprocess.run(command, check=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
