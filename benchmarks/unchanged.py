"""An unchanged backup in a repository that has grown old: 200 projects, and 10,000 snapshots that were forgotten.

    python -m benchmarks.unchanged [--projects 200] [--forgotten 10000] [--kept 200]

One project of the many is backed up, once by a machine that has made all backups (its cache is warm) and once by one that has
never seen the repository. Requests and bytes are counted below the cache, in a store in memory, so that times are the program's
own. The snapshots before are records of the first one's manifest, written one after another; a note forgets a day of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from vault.age import HybridIdentity
from vault.backup.report import BackupReport
from vault.backup.run import BackupOptions, Source, back_up
from vault.clock import SystemClock
from vault.format import layout
from vault.format.descriptor import Descriptor
from vault.format.snapshot_record import Record
from vault.randomness import SystemRandomness
from vault.repository.gc.forget import write_notes
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.source.patterns import Rules
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.counting import CountingStore, Traffic
from vault.storage.memory import MemoryStore

IN_A_NOTE = 24
"""Snapshots that one note forgets: `retention apply` once a day, of hourly snapshots."""

NAME, WARM = "acme", "warm"


class Sizes(Struct, frozen=True):
    """projects: in the repository · forgotten, kept: snapshots of the one that is backed up · files: of its source, of which
    one has changed before each of `changes` snapshots, so that the index has grown · pruned: records of forgotten snapshots
    are gone, as after a prune."""

    projects: int = 200
    forgotten: int = 10_000
    kept: int = 200
    files: int = 2_000
    changes: int = 24
    pruned: bool = True


class Measured(Struct, frozen=True):
    """traffic: below the cache · seconds: of the backup alone."""

    traffic: Traffic
    seconds: float


class _Ahead(SystemClock):
    """A day ahead of the machine's: files that were written a moment ago count as clearly older than the last scan."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=1)


class Old:
    """A repository that has grown old, in memory, and who backs up. folder: of the source and of caches."""

    def __init__(self, sizes: Sizes, folder: Path) -> None:
        self._randomness = SystemRandomness()
        self._bare = MemoryStore()
        self._folder = folder
        self._source = Source.of_folder("files", "reports", str(folder / "source").encode(), Rules())
        self._identity = HybridIdentity.generate(self._randomness)
        services = Services(_Ahead(), self._randomness, "benchmark", "benchmark")
        descriptor = Descriptor(repository=layout.new_id(self._randomness.token(16)), created=services.clock.now())
        self._repository = Repository.create(self._bare, descriptor, services)
        for number in range(sizes.projects - 1):
            self._repository.add_project(f"other {number}", [self._identity.recipient], [])
        self._id = self._repository.add_project(NAME, [self._identity.recipient], []).id
        self._write_files(sizes)
        project = self._opened(CachingStore(self._bare, folder / WARM, self._randomness))
        for number in range(sizes.changes):
            (folder / "source/0").write_bytes(b"%d" % number)
            last = self._back_up(project).record
        self._live(project, last, sizes)

    def measured(self, cache: str) -> Measured:
        """One unchanged backup. cache: its name; `WARM` is that of the machine that has made the others."""
        counting = CountingStore(self._bare)
        began = time.perf_counter()
        report = self._back_up(self._opened(CachingStore(counting, self._folder / cache, self._randomness)))
        seconds = time.perf_counter() - began
        if report.record.counts.added or report.record.counts.changed or report.problems:
            raise RuntimeError("the backup was not an unchanged one")
        return Measured(counting.snapshot(), seconds)

    def _opened(self, store: Store) -> Project:
        (project,) = replace(self._repository, store=store).choose([NAME], [self._identity], {NAME: self._id})
        return project

    def _back_up(self, project: Project) -> BackupReport:
        return back_up(project, self._source, BackupOptions())

    def _write_files(self, sizes: Sizes) -> None:
        random, source = Random(1), self._folder / "source"
        source.mkdir()
        for number in range(sizes.files):
            (source / str(number)).write_bytes(random.randbytes(3000))

    def _live(self, project: Project, last: Record, sizes: Sizes) -> None:
        """Hours in which nothing happens, and notes that forget all but the newest."""
        records = []
        for hour in range(sizes.forgotten + sizes.kept):
            taken_at = last.taken_at + timedelta(seconds=1)
            snapshot = layout.snapshot_id(taken_at, self._randomness.token(8))
            last = replace(last, id=snapshot, taken_at=taken_at, finished_at=taken_at, parents=(last.id,))
            if hour >= sizes.forgotten or not sizes.pruned:
                project.put_record(layout.snapshot_name(project.id, last.id), last.as_json())
            if hour < sizes.forgotten:
                records.append(last)
            if len(records) == IN_A_NOTE or (records and hour == sizes.forgotten - 1):
                write_notes(project, records, "a benchmark")
                records = []


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("projects", "forgotten", "kept", "files"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Sizes(), name))
    given = parser.parse_args()
    print("| unchanged backup | requests | of them GET | received | wall |\n| --- | --- | --- | --- | --- |")
    for pruned in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            old = Old(Sizes(given.projects, given.forgotten, given.kept, given.files, pruned=pruned), Path(folder))
            for cache in (WARM, "cold"):
                found = old.measured(cache)
                gets = found.traffic.requests.get("get", 0) + found.traffic.requests.get("get_range", 0)
                what = f"{cache} cache, {'after' if pruned else 'before'} the prune"
                total, kib = found.traffic.total_requests, found.traffic.bytes_down / 1024
                print(f"| {what} | {total} | {gets} | {kib:.0f} KiB | {found.seconds:.2f} s |", flush=True)


if __name__ == "__main__":
    main()
