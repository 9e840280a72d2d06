"""Years of hours: a backup after every hour, each of a new report and three roll-ups that have grown, and a prune every week.

    python -m benchmarks.hours [--hours 2190] [--prune-every 168] [--no-join] [--work FOLDER] [--resume]

What stands in the repository is counted before and after the last maintenance. Then the newest whole month, and everything, are
restored by a machine that has never seen the repository, and compared with the folder: how many requests that takes, and how
long, beside a repository into which the same files were backed up at once. Backups and prunes run in this process, on a folder;
the clock says the hour that is being lived. --hours 17520 are two years, which take hours; a quarter takes some minutes. A run
that was stopped leaves what it has lived so far below --work, and goes on there with --resume.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from benchmarks.scratch import empty_folder, say
from benchmarks.verify import same_tree
from restore.execution.executor import execute
from restore.history import rollup_joining
from restore.history.update import UpdateOptions
from restore.local_fs import Target
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import make_plan as plan_restore
from restore.selection.select import ItemQuery, select
from strongroom import maintenance
from vault.age import HybridIdentity
from vault.backup.run import BackupOptions, Source, back_up
from vault.clock import SystemClock
from vault.format import layout
from vault.format.descriptor import Descriptor
from vault.progress import NoProgress
from vault.randomness import SystemRandomness
from vault.repository.check import Depth, check
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.prune_report import PruneReport
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.source.patterns import Rules
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.counting import CountingStore
from vault.storage.local import LocalStore

FIRST_HOUR = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = 120
"""Calls an hour."""

FOLDERS = ("packs", "meta", "index", "rollups", "snapshots", "forgotten", "marks", "claims")
ROUNDS = 3
NAME = "acme"
SAID_EVERY = 500
STATE = "state.json"


class HourClock:
    """Says the hour that is being lived; durations are real."""

    def __init__(self) -> None:
        self.hour = FIRST_HOUR

    def now(self) -> datetime:
        return self.hour

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.hour += timedelta(seconds=seconds)


class Work(Struct):
    """What was spent in so many hours. backups, prunes: seconds · stored: bytes of packs that backups stored · rewritten: of
    those that prunes did."""

    hours: int = 0
    backups: list[float] = field(default_factory=list)
    prunes: list[float] = field(default_factory=list)
    stored: int = 0
    rewritten: int = 0


def live_hour(folder: Path, hour: datetime) -> None:
    """A report of the hour, and a row more in those of the day, the week and the month."""
    random = Random(hour.isoformat())
    rows = [
        f"{hour:%Y-%m-%d}T{hour:%H}:{random.randrange(60):02}:{random.randrange(60):02},{random.randrange(10**9):09},"
        f"{random.choice(('sales', 'support', 'billing', 'care'))},{random.choice(('answered', 'lost', 'transferred'))},"
        f"agent {random.randrange(80)},{random.randrange(1200)}\n"
        for _ in range(ROWS)
    ]
    write(
        folder / f"calls/{hour:%Y-%m}/calls_{hour:%Y-%m-%d_%H}.csv", "time,call,queue,outcome,agent,seconds\n" + "".join(rows)
    )
    total = sum(int(row.rpartition(",")[2]) for row in rows)
    year, week, _ = hour.isocalendar()
    for name in (f"day_{hour:%Y-%m-%d}", f"week_{year}-W{week:02}", f"month_{hour:%Y-%m}"):
        path = folder / f"rollups/{name}.csv"
        before = path.read_text("utf-8") if path.exists() else "hour,calls,seconds\n"
        write(path, f"{before}{hour:%Y-%m-%d %H},{ROWS},{total}\n")


def write(path: Path, text: str) -> None:
    """A file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


class Keys(Struct):
    """Of a repository that a run made and another one goes on with."""

    identity: str
    project: str


class Place:
    """A repository in a folder, and who uses it. keys: of the one that is there; None: a new one is made."""

    def __init__(self, folder: Path, source: Path, clock: HourClock, keys: Keys | None = None) -> None:
        self.folder = folder
        self._randomness = SystemRandomness()
        self.source = Source.of_folder("files", "reports", os.fsencode(source), Rules())
        (folder / "repository").mkdir(parents=True, exist_ok=True)
        self.store = LocalStore(folder / "repository", clock=SystemClock(), randomness=self._randomness)
        services = Services(clock, self._randomness, "benchmark", "benchmark")
        if keys is None:
            self._identity = HybridIdentity.generate(self._randomness)
            descriptor = Descriptor(repository=layout.new_id(self._randomness.token(16)), created=clock.now())
            self._repository = Repository.create(self.store, descriptor, services)
            self._id = self._repository.add_project(NAME, [self._identity.recipient], []).id
        else:
            self._identity = HybridIdentity.parse(keys.identity)
            self._repository = Repository.open(self.store, services)
            self._id = keys.project
        self.usual = self.seen_by("usual", self.store)

    @property
    def keys(self) -> Keys:
        """For a run that goes on here."""
        return Keys(self._identity.encode(), self._id)

    def seen_by(self, cache: str, store: Store) -> Project:
        """The project as a machine with this cache sees it."""
        cached = CachingStore(store, self.folder / cache, self._randomness)
        (project,) = replace(self._repository, store=cached).choose([NAME], [self._identity], {NAME: self._id})
        return project

    def objects(self) -> Counter[str]:
        """How many objects lie in each folder of the project."""
        return Counter({part: sum(1 for _ in self.store.list(self.usual.folder(part))) for part in FOLDERS})

    def pack_bytes(self) -> int:
        """Of packs in both tiers."""
        return sum(info.size for tier in ("packs", "meta") for info in self.store.list(self.usual.folder(tier)))


def live(run: Run, given: argparse.Namespace) -> Work:
    """All hours that are left."""
    place, clock, work = run.place, run.clock, run.work
    options = PruneOptions(join=not given.no_join)
    for number in range(work.hours + 1, given.hours + 1):
        live_hour(run.source, clock.hour)
        clock.hour += HOUR
        start = time.process_time()
        report = back_up(place.usual, place.source, BackupOptions())
        if number % maintenance.EVERY == 0:
            maintenance.run_maintenance(place.usual, place.source.name, NoProgress(), locked=False)
        work.backups.append(time.process_time() - start)
        work.stored += report.record.counts.stored_bytes
        if given.prune_every and number % given.prune_every == 0:
            start = time.process_time()
            work.rewritten += prune(place.usual, options).stored
            work.prunes.append(time.process_time() - start)
        work.hours = number
        run.save()
        if number % SAID_EVERY == 0:
            shown = dict(place.objects())
            say(
                f"{number} hours: backup {statistics.mean(work.backups[-100:]):.3f} s, prunes {sum(work.prunes):.0f} s, {shown}"
            )
    return work


class Run(NamedTuple):
    """What is lived in, and how far it is."""

    folder: Path
    source: Path
    clock: HourClock
    place: Place
    work: Work

    @classmethod
    def begin(cls, folder: Path) -> Run:
        """In an empty folder."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "source").mkdir(parents=True)
        clock = HourClock()
        return cls(folder, folder / "source", clock, Place(folder / "hourly", folder / "source", clock), Work())

    @classmethod
    def resume(cls, folder: Path) -> Run:
        """Where an earlier run was stopped."""
        try:
            keys, work = msgspec.json.decode((folder / STATE).read_bytes(), type=tuple[Keys, Work])
        except FileNotFoundError:
            raise SystemExit(f"nothing was begun in {folder}") from None
        clock = HourClock()
        clock.hour += work.hours * HOUR
        shutil.rmtree(folder / "at-once", ignore_errors=True)
        return cls(folder, folder / "source", clock, Place(folder / "hourly", folder / "source", clock, keys), work)

    def save(self) -> None:
        """For `resume`."""
        part = self.folder / f"{STATE}.part"
        part.write_bytes(msgspec.json.encode((self.place.keys, self.work)))
        part.replace(self.folder / STATE)


def prune(project: Project, options: PruneOptions) -> PruneReport:
    """One prune."""
    report = apply(project, make_plan(project, options), options)
    if not report.done:
        raise RuntimeError(f"a prune did not end: {report}")
    rollup_joining.join(project, UpdateOptions())
    return report


def restored(place: Place, source: Path, folder: Path, query: ItemQuery | None) -> tuple[float, Mapping[str, int]]:
    """Seconds, and requests by kind, of a restore with an empty cache. None: everything, compared with the source."""
    with empty_folder(folder / "restored") as target, empty_folder(place.folder / "stranger"):
        counting = CountingStore(place.store)
        project = place.seen_by("stranger", counting)
        os.sync()
        start = time.perf_counter()
        with Target(os.fsencode(target)) as opened:
            plan = plan_restore(select(project, query or ItemQuery()), opened, ConflictPolicy.REFUSE, FIRST_HOUR.date())
            execute(plan, opened, stop=lambda: None)
        seconds = time.perf_counter() - start
        if query is None:
            same_tree(source, target / "reports")
        return seconds, counting.snapshot().requests


def month_before(moment: datetime) -> ItemQuery:
    """What is about the newest whole month; of less than that, about the first one."""
    last = max(FIRST_HOUR, moment.replace(day=1) - timedelta(days=1))
    return ItemQuery(periods=(f"{last:%Y-%m}",))


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=2190)
    parser.add_argument("--prune-every", type=int, default=168, help="hours; 0: not before the end")
    parser.add_argument("--no-join", action="store_true", help="leave small packs as they are")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-hours")
    parser.add_argument("--resume", action="store_true", help="go on where a run was stopped")
    given = parser.parse_args()
    gc.set_threshold(150_000, 20, 100)  # as the command line does
    run = (Run.resume if given.resume else Run.begin)(given.work.resolve())
    work, place = live(run, given), run.place
    at_once = Place(run.folder / "at-once", run.source, run.clock)
    back_up(at_once.usual, at_once.source, BackupOptions())
    places = {"hour by hour": place, "at once": at_once}
    report(place, work, given)
    compare(places, run.source, run.folder, run.clock)
    for _ in range(2):  # the second one deletes what the first one has joined
        start = time.process_time()
        work.rewritten += prune(place.usual, PruneOptions(join=not given.no_join)).stored
        work.prunes.append(time.process_time() - start)
    report(place, work, given)
    compare(places, run.source, run.folder, run.clock)
    if not check(place.usual, Depth(data=1.0)).sound:
        raise SystemExit("FAILED: the repository is damaged")
    shutil.rmtree(run.folder)


def report(place: Place, work: Work, given: argparse.Namespace) -> None:
    """What stands, and what it cost."""
    there = place.objects()
    print(
        f"{given.hours} hours: {there['packs']} content packs, {there['meta']} catalogue packs, "
        f"{there['index']} index segments, "
        f"{there['forgotten']} notes, {there['rollups']} roll-ups, {there['snapshots']} records; "
        f"{place.pack_bytes() / 1e6:.0f} MB in packs"
    )
    print(
        f"stored by backups {work.stored / 1e6:.1f} MB, rewritten {work.rewritten / 1e6:.1f} MB "
        f"({work.rewritten / work.stored:.1f} times); a backup {statistics.median(work.backups):.3f} s of processor time, "
        f"the last prune {work.prunes[-1] if work.prunes else 0:.1f} s, all prunes {sum(work.prunes):.0f} s",
        flush=True,
    )


def compare(places: Mapping[str, Place], source: Path, folder: Path, clock: HourClock) -> None:
    """Restores of a month and of everything, taking turns."""
    print("| restored | taken | median | of at once | requests | for content |\n| --- | --- | --- | --- | --- | --- |")
    for what, query in (("the newest whole month", month_before(clock.hour)), ("everything", None)):
        taken: dict[str, list[float]] = {name: [] for name in places}
        asked: dict[str, Mapping[str, int]] = {}
        for _ in range(ROUNDS):
            for name, place in places.items():
                seconds, asked[name] = restored(place, source, folder, query)
                taken[name].append(seconds)
        reference = statistics.median(taken["at once"])
        for name, times in taken.items():
            middle = statistics.median(times)
            ours = asked[name]
            content = ours.get("get_range", 0)
            print(f"| {what} | {name} | {middle:.2f} s | {middle / reference:.2f} | {sum(ours.values())} | {content} |")


if __name__ == "__main__":
    main()
