"""What a command costs before and beside its work: processor time of short commands on a small repository in a folder.

    python -m benchmarks.startup [--rounds 7] [--json FILE]

Makes a throw-away repository with one project of a few small files, and runs each command so many times: the number is the best
of them, since what other programs take from the processor's caches is not ours. One further run counts the modules that were
imported, and names those that take long to import. Bytecode is cached: the first run of each command is not measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from benchmarks import measure
from benchmarks.daemon_runs import forked_runs
from benchmarks.scratch import child_environment, require_program, say
from policies.daemon.warm_parent import is_possible

FILES = 20
HEAVY = (
    "asyncio", "boto3", "botocore", "concurrent.futures", "cronsim", "cryptography", "duckdb", "email.message", "fsspec",
    "http.client", "inspect", "multiprocessing", "numpy", "pandas", "pathspec", "pyarrow", "pyarrow.compute", "pyarrow.dataset",
    "pydantic", "rich", "smtplib", "sqlite3", "ssl", "tomlkit", "typer", "urllib.request", "zoneinfo",
)  # fmt: skip
"""Modules that are worth a line of their own: each takes more than a few milliseconds with what it imports itself."""

LISTED = """
import os, sys
leave = os._exit
def listed(code):
    sys.stdout.flush()
    sys.stderr.write("\\n".join(sys.modules))
    sys.stderr.flush()
    leave(code)
os._exit = listed
from cli.main import run
run()
"""
"""The command in a process that lists its modules at the end."""


class Measured(Struct, frozen=True):
    """seconds: user and system time of the best run · limit: what it may take on the machine of the tests · heavy: of `HEAVY`,
    what it imports · modules: how many it imports in all."""

    command: str
    seconds: float
    limit: float
    heavy: list[str]
    modules: int


LIMITS: Mapping[str, float] = {
    "--version": 0.12,
    "--help": 0.3,
    "list": 0.3,
    "ls acme": 0.45,
    "status": 0.35,
    "backup": 0.6,
    "restore acme reports/calls-1.csv --to {restored}": 0.6,
}
"""Command lines, and the processor seconds that each may take."""


class Place:
    """A repository with one backup of one project; its home is its own. folder: empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = require_program("strongroom")
        self.environment = child_environment() | {"HOME": str(folder / "home"), "TZ": "UTC"}
        self._restored = 0
        source = folder / "source"
        source.mkdir(parents=True)
        for number in range(FILES):
            (source / f"calls-{number}.csv").write_text(f"call_id,started_at\n{number:06d},2026-11-02T10:00:00Z\n")
        self.run("init", str(folder / "repository"), "--recovery-kit", str(folder / "kit.txt"))
        self.run("project", "add", "acme", "--source", f"reports={source}")
        self.run("backup")
        self.run("backup")  # files that had changed a moment before the first are read once more

    def run(self, *arguments: str) -> measure.Cost:
        """A command from its start to its end. Raises `measure.CommandError`."""
        command = [self.program, *arguments]
        return measure.run(command, environment=self.environment, folder=self.folder, log=self.folder / "log")

    def words(self, command: str) -> list[str]:
        """A line of `LIMITS` as arguments; what is restored goes to a new folder."""
        self._restored += 1
        return command.format(restored=self.folder / f"restored-{self._restored}").split()

    def imported(self, arguments: Sequence[str]) -> list[str]:
        """The modules that a command imports."""
        command = [sys.executable, "-c", LISTED, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self.environment, cwd=self.folder)
        return done.stderr.split()


FORKED = "backup"
"""What is also measured as a run of the daemon."""


def forked(place: Place, rounds: int) -> float:
    """The processor seconds of an unchanged backup that the daemon's warm parent forks: the best of so many rounds."""
    with forked_runs(place.environment) as runs:
        command = [FORKED, "--quiet", "--config", str(place.folder / "strongroom.toml")]
        return min(runs.run(command).cpu for _ in range(rounds))


def measured(place: Place, command: str, rounds: int) -> Measured:
    """The best of so many rounds. Raises `measure.CommandError`."""
    modules = set(place.imported(place.words(command)))
    seconds = min(place.run(*place.words(command)).cpu for _ in range(rounds))
    return Measured(command, seconds, LIMITS[command], sorted(modules & set(HEAVY)), len(modules))


def line(found: Measured) -> str:
    """A row of the table."""
    verdict = "" if found.seconds <= found.limit else " **over**"
    heavy = ", ".join(found.heavy) or "none"
    shown = found.command.replace("{restored}", "FOLDER")
    return f"| `{shown}` | {found.seconds:.2f} s{verdict} | {found.limit:.2f} s | {found.modules} | {heavy} |"


def main() -> int:
    """Measure, print a table; 1 where a command takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write every number to this file")
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        say(f"best of {given.rounds}; Python {sys.version.split()[0]}")
        print("| command | processor time | limit | modules | heavy ones among them |\n| --- | --- | --- | --- | --- |")
        for command in LIMITS:
            results.append(measured(place, command, given.rounds))
            print(line(results[-1]), flush=True)
        if is_possible():
            print(f"| `{FORKED}`, forked by the daemon | {forked(place, given.rounds):.2f} s | | | |", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in results], indent=2) + "\n")
    return int(any(one.seconds > one.limit for one in results))


if __name__ == "__main__":
    raise SystemExit(main())
