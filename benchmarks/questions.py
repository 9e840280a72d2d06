"""How long a question to two years of daily call records takes, without restoring them.

    python -m benchmarks.questions [--calls 500] [--form jsonl] [--s3] [--work FOLDER]

730 files of an invented courier's calls are backed up, and `strongroom query` is asked, each question with nothing kept on this
machine (cold) and once more (warm: the index and the manifest are in the cache, content never is). Prints passed or FAILED
beside the limit, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.server import find_weed, s3_server
from benchmarks.tools import BUCKET
from cli.demo_calls import CLIENTS, Call, call_lines, calls_of

LIMIT = 10.0
"""Seconds: "answers in seconds"."""

FIRST, DAYS = date(2024, 11, 1), 730
CLIENT = CLIENTS[0]
QUARTER = "period_start >= '2025-04-01' and period_end <= '2025-07-01'"
MOBILE = "caller like '+79%'"
QUESTIONS = {
    "mobile calls of a quarter": f"select count(*) as calls from calls where {MOBILE} and {QUARTER}",
    "mobile calls of all days": f"select count(*) as calls from calls where {MOBILE}",
    "calls and waiting by month": "select period[:7] as month, count(*), avg(wait_s) from calls group by 1 order by 1",
}


def json_lines(day: date, calls: list[Call]) -> str:
    """A day as the telephone system writes it."""
    return "".join(call_lines(CLIENT, day, calls))


def csv_lines(day: date, calls: list[Call]) -> str:
    """The same as a table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    records = [json.loads(line) for line in call_lines(CLIENT, day, calls)]
    names = [name for name in records[0] if name not in ("queue", "agent")]
    writer.writerow([*names, "queue", "agent"])
    for one in records:
        writer.writerow([*(one[name] for name in names), one["queue"]["code"], (one["agent"] or {}).get("id")])
    return out.getvalue()


FORMS: dict[str, Callable[[date, list[Call]], str]] = {"jsonl": json_lines, "csv": csv_lines}


def write_calls(folder: Path, form: str, volume: int) -> int:
    """Two years of days; gives the bytes."""
    size = 0
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        path = folder / f"calls/{day:%Y/%m}/{day}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_text(FORMS[form](day, calls_of(CLIENT, day, "questions", volume=volume)), encoding="utf-8")
    return size


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the commands are run. address: of the repository, with its options."""

    folder: Path
    environment: dict[str, str]
    program: str
    address: tuple[str, ...]

    def call(self, *words: str) -> Cost:
        """One command."""
        return run([self.program, *words], environment=self.environment, folder=self.folder, log=self.folder / "log")

    def forget(self) -> None:
        """Clear the cache."""
        shutil.rmtree(self.folder / "home/.cache/strongroom", ignore_errors=True)


def main() -> int:
    """Writes the calls, asks, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--calls", type=int, default=500, help="a day")
    parser.add_argument("--form", choices=sorted(FORMS), default="jsonl")
    parser.add_argument("--s3", action="store_true", help="store it in a local S3 server, instead of a folder")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-questions")
    options = parser.parse_args()
    with _desk(options.work.resolve(), s3=options.s3) as desk:
        size = write_calls(desk.folder / "source", options.form, options.calls)
        say(f"{size / 1e6:.0f} million characters written")
        desk.call("init", *desk.address, "--recovery-kit", str(desk.folder / "kit.txt"))
        desk.call("project", "add", "parcelo", "--source", f"raw={desk.folder / 'source'}")
        desk.call("backup")
        print(f"| {DAYS} files, {options.calls} calls a day, {options.form} | state | wall | cpu | memory | |")
        print("| --- | --- | --- | --- | --- | --- |")
        passed = [_asked(desk, name, sql) for name, sql in QUESTIONS.items()]
        return 0 if all(passed) else 1


def _asked(desk: Desk, name: str, sql: str) -> bool:
    desk.forget()
    cold = _measured(desk, name, "cold", ("query", "parcelo", sql))
    return _measured(desk, name, "warm", ("query", "parcelo", sql)) and cold


def _measured(desk: Desk, name: str, state: str, words: Sequence[str]) -> bool:
    cost = desk.call(*words)
    passed = cost.wall <= LIMIT
    verdict = f"{'passed' if passed else 'FAILED'} ({LIMIT:.0f} s)"
    print(f"| {name} | {state} | {cost.wall:.2f} s | {cost.cpu:.2f} s | {cost.rss / 1e6:.0f} MB | {verdict} |", flush=True)
    say(cost.output.decode())
    return passed


@contextmanager
def _desk(work: Path, *, s3: bool) -> Iterator[Desk]:
    program, weed = require_program("strongroom"), find_weed() if s3 else None
    if s3 and weed is None:
        raise SystemExit("there is no S3 server (weed) to be found")
    with empty_folder(work / "desk") as folder:
        environment = child_environment() | {"HOME": str(folder / "home")}
        if weed is None:
            yield Desk(folder, environment, program, (str(folder / "repository"),))
            return
        with s3_server(weed, work / "s3", environment) as server:
            server.make_bucket(BUCKET)
            yield Desk(folder, server.environment, program, (f"s3://{BUCKET}/questions", "--endpoint", server.url))


if __name__ == "__main__":
    sys.exit(main())
