"""How long questions of a thousand hourly snapshots of 20,000 items take: find, history, diff.

    python -m benchmarks.history [--snapshots 1000] [--items 20000] [--shape scattered] [--s3] [--work FOLDER]

Snapshots are rolled up and segments joined while they are written, as backups do. Each command is measured cold (nothing on
this machine), with what the cache holds and nothing kept of earlier questions, and warm (an earlier question was asked); one
of them also after one more snapshot, and cold in a repository whose roll-ups are lost. Prints passed or FAILED beside the
limits, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.history_data import SHAPES, SOURCE, Hours, path_of, write_history
from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.server import find_weed, s3_server
from benchmarks.tools import BUCKET
from cli import tidying, workplace
from vault.format.record import Record
from vault.progress import Silence

COLD_SECONDS, WARM_SECONDS = 20.0, 2.0
PROJECT = "acme"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the commands are run. address: of the repository, with its options."""

    folder: Path
    environment: dict[str, str]
    program: str
    address: tuple[str, ...]

    @property
    def settings(self) -> Path:
        return self.folder / "strongroom.toml"

    def call(self, *words: str) -> Cost:
        """One command."""
        return run([self.program, *words], environment=self.environment, folder=self.folder, log=self.folder / "log")

    def make(self) -> None:
        """A repository with one project."""
        (self.folder / "source").mkdir()
        self.call("init", *self.address, "--recovery-kit", str(self.folder / "kit.txt"))
        self.call("project", "add", PROJECT, "--source", f"reports={self.folder / 'source'}")

    def write(self, hours: Hours, count: int, last: Record | None = None) -> tuple[list[Record], Hours]:
        """So many more snapshots after `last`; gives them, and the hours as they are then. In a process of its own: a large
        runner would show in every command's memory."""
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            return apart.submit(_written, self, hours, count, last).result()

    def lose_rollups(self) -> None:
        """As if no backup had made any."""
        with workplace.opened(self.settings) as place:
            project = place.project(PROJECT)
            for info in list(project.store.list(project.folder("rollups"))):
                project.store.delete(info.name)

    def forget(self, *, manifests: bool) -> None:
        """Clear the cache: what earlier questions left, or all of it."""
        cache = self.folder / "home/.cache/strongroom"
        for folder in [cache] if manifests else cache.glob("*/history"):
            shutil.rmtree(folder, ignore_errors=True)


def _written(desk: Desk, hours: Hours, count: int, last: Record | None) -> tuple[list[Record], Hours]:
    with workplace.opened(desk.settings) as place:
        written = []
        for record in write_history(place.project(PROJECT), hours, count, last=last):
            written.append(record)
            if len(written) % tidying.EVERY == 0:
                tidying.tidied(place.project(PROJECT), SOURCE, Silence(), locked=False)
            if len(written) % 100 == 0:
                say(f"{len(written)} snapshots")
    return written, hours


def questions(first: Record, last: Record, items: int) -> dict[str, tuple[str, ...]]:
    """The commands that are measured."""
    item = path_of(items * 19 // 20).decode()
    return {
        "history of one item": ("history", PROJECT, item),
        "find by a pattern": ("find", PROJECT, "reports/*/01/**", "--json"),
        "find what is deleted": ("find", PROJECT, "--deleted", "--json"),
        "diff of two moments": ("diff", PROJECT, "--from", first.id, "--to", last.id, "--json"),
    }


def main() -> int:
    """Writes the history, asks, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="hourly reports")
    parser.add_argument("--s3", action="store_true", help="store it in a local S3 server, instead of a folder")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-history")
    options = parser.parse_args()
    hours = Hours(options.items, SHAPES[options.shape], seed=1)
    with _desk(options.work.resolve(), s3=options.s3) as desk:
        desk.make()
        records, hours = desk.write(hours, options.snapshots)
        print(f"| {options.snapshots} snapshots of {options.items:,} items, {options.shape} | state | wall | cpu | memory | |")
        print("| --- | --- | --- | --- | --- | --- |")
        passed = [_asked(desk, name, words) for name, words in questions(records[0], records[-1], options.items).items()]
        desk.write(hours, 1, records[-1])
        more = _measured(desk, "find by a pattern", "one snapshot more", ("find", PROJECT, "reports/*/01/**", "--json"), None)
        desk.lose_rollups()
        desk.forget(manifests=True)
        _measured(desk, "find by a pattern", "cold, without roll-ups", ("find", PROJECT, "reports/*/01/**", "--json"), None)
    return 0 if all(passed) and more else 1


def _asked(desk: Desk, name: str, words: tuple[str, ...]) -> bool:
    desk.forget(manifests=True)
    cold = _measured(desk, name, "cold", words, COLD_SECONDS)
    desk.forget(manifests=False)
    manifests = _measured(desk, name, "cached", words, COLD_SECONDS)
    return all([cold, manifests, _measured(desk, name, "warm", words, WARM_SECONDS)])


def _measured(desk: Desk, name: str, state: str, words: tuple[str, ...], limit: float | None) -> bool:
    cost = desk.call(*words)
    passed = limit is None or cost.wall <= limit
    verdict = "" if limit is None else f"{'passed' if passed else 'FAILED'} ({limit:.0f} s)"
    print(f"| {name} | {state} | {cost.wall:.2f} s | {cost.cpu:.2f} s | {cost.rss / 1e6:.0f} MB | {verdict} |", flush=True)
    return passed


@contextmanager
def _desk(work: Path, *, s3: bool) -> Iterator[Desk]:
    program, weed = require_program("strongroom"), find_weed() if s3 else None
    if s3 and weed is None:
        raise SystemExit("there is no S3 server (weed) to be found")
    with empty_folder(work / "desk") as folder:
        environment = child_environment() | {"HOME": str(folder / "home")}
        if weed is None:
            os.environ.update(environment)
            yield Desk(folder, environment, program, (str(folder / "repository"),))
            return
        with s3_server(weed, work / "s3", environment) as server:
            server.make_bucket(BUCKET)
            os.environ.update(server.environment)
            yield Desk(folder, server.environment, program, (f"s3://{BUCKET}/history", "--endpoint", server.url))


if __name__ == "__main__":
    sys.exit(main())
