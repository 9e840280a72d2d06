"""A crowd on one daemon: 200 projects with hourly schedules. What does it cost to start, to wait, and when all are due?

    python -m benchmarks.crowd [--projects 200] [--ticks 200]

Measured in a process of its own, which imports what a daemon needs to decide what is due, and no S3 client and no Arrow. Times
are the processor's, so that whatever else the machine does counts for nothing. Prints passed or FAILED for each number, and
exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from policies.scheduling.runner import Runner

TICK_LIMIT_MS, MEMORY_LIMIT_MB = 100.0, 150.0
HEAVY = ("boto3", "botocore", "pyarrow", "cryptography", "pandas", "duckdb", "typer", "rich")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ZONES = ("Europe/Kyiv", "America/New_York", "Asia/Almaty", "UTC")


class _Clock:
    """Moved by hand, so that hours of schedules pass in the time that the work takes."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def measure(projects: int, ticks: int, folder: Path) -> dict[str, float]:
    """In this process; call it in a fresh one."""
    begun = time.thread_time()
    from policies.scheduling import parser as scheduling_parser
    from policies.scheduling.jobs import Job, Outcome, Stop
    from policies.scheduling.run_history import RunHistory
    from policies.scheduling.runner import Runner
    from vault.randomness import SystemRandomness
    from vault.repository.services import Services

    imported = time.thread_time()
    clock, silence = _Clock(), _Silence()

    def work(_stop: Stop) -> Outcome:
        return Outcome()

    def jobs() -> list[Job]:
        zones = [ZoneInfo(name) for name in _ZONES]
        return [
            Job(
                "backup",
                f"project {number:03}",
                scheduling_parser.read(every="hour at :05", zone=zones[number % len(zones)]),
                work,
            )
            for number in range(projects)
        ]

    def begin(runner_books: RunHistory, at_once: int) -> Runner:
        runner = Runner(
            runner_books,
            Services(clock, SystemRandomness(), "here", "benchmark"),
            silence,
            at_once=at_once,
            launch=lambda _name, run: run(),
        )
        runner.use(jobs())
        return runner

    history = RunHistory.open(folder / "books.sqlite", clock, silence.notice)
    first = begin(history, projects * 2)
    for _ in range(20):  # a past of twenty hours
        first.tick()
        clock.sleep(3600)
    first.tick()
    first.tick()  # which writes down how the last ones ended
    history.close()
    opened = time.thread_time()
    history = RunHistory.open(folder / "books.sqlite", clock, silence.notice)
    runner = begin(history, projects * 2)
    started = time.thread_time()
    first_tick = _ticks(runner, clock, 1, 1.0)
    idle = _ticks(runner, clock, ticks, 1.0)
    memory = _resident_mb()
    all_due = _ticks(runner, clock, 5, 3600.0)
    clock.sleep(3600)
    runner = begin(history, 2)
    crowded = _ticks(runner, clock, 20, 1.0)
    history.close()
    heavy = [name for name in HEAVY if name in sys.modules]
    if heavy:
        raise SystemExit(f"imported although nothing runs: {', '.join(heavy)}")
    return {
        "import, ms": (imported - begun) * 1e3,
        "open the books and take in the jobs, ms": (started - opened) * 1e3,
        "idle memory, MB": memory,
        "the first tick, which judges every job, ms": first_tick[0],
        "a tick while nothing is due, slowest, ms": idle[-1],
        "a tick when all are due, started and written down, ms": all_due[len(all_due) // 2],
        "a tick when all are due and two may run, slowest, ms": crowded[-1],
    }


class _Silence:
    def started(self, run: object) -> None:
        """Nothing."""

    def ended(self, run: object) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        print(text, file=sys.stderr)


def _ticks(runner: Runner, clock: _Clock, count: int, apart: float) -> list[float]:
    """Milliseconds of the processor for each, sorted."""
    spent = []
    for _ in range(count):
        clock.sleep(apart)
        start = time.thread_time()
        runner.tick()
        spent.append((time.thread_time() - start) * 1e3)
    return sorted(spent)


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE / 1e6


def main() -> int:
    """Measures in a child and prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(measure(options.projects, options.ticks, options.child)))
        return 0
    with tempfile.TemporaryDirectory(prefix="strongroom-crowd-") as folder:
        command = [sys.executable, "-m", "benchmarks.crowd", f"--projects={options.projects}", f"--ticks={options.ticks}"]
        done = subprocess.run([*command, f"--child={folder}"], check=True, stdout=subprocess.PIPE, text=True)
    numbers: dict[str, float] = json.loads(done.stdout)
    limits = {
        name: MEMORY_LIMIT_MB if name.endswith("MB") else TICK_LIMIT_MS for name in numbers if "tick" in name or "MB" in name
    }
    print(f"| {options.projects} projects, hourly | measured | limit | |")
    print("| --- | --- | --- | --- |")
    for name, value in numbers.items():
        verdict = "" if name not in limits else "passed" if value <= limits[name] else "FAILED"
        print(f"| {name} | {value:.1f} | {limits.get(name, '')} | {verdict} |")
    return 0 if all(numbers[name] <= limit for name, limit in limits.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
