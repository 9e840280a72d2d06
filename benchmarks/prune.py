"""What it costs to thin a thousand hourly snapshots of 20,000 items and to give the room back, beside restic.

    python -m benchmarks.prune --work FOLDER [--snapshots 1000] [--items 20000] [--restic-snapshots N]

One folder lives through the hours of `benchmarks.history_data`, and each tool really backs it up after every one of them,
dated to that hour; that is not measured. Then both keep the last snapshot of each day and of each month, and nothing else:
`retention apply` and `prune` here, `forget --prune` there. Afterwards both repositories are checked with all their data, and
the oldest and the newest snapshot that are left here are restored and compared with the folder as it was in that hour.
Prints passed or FAILED beside the limits, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.history_data import FIRST_HOUR, SHAPES, Hours, Item, Items
from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program, say
from benchmarks.tools import PASSPHRASE, find_program
from benchmarks.verify import same_tree
from strongroom import context, maintenance, sources
from vault.backup import comparison
from vault.backup.run import BackupOptions, back_up
from vault.progress import NoProgress

DAILY, MONTHLY = 14, 12
LIMIT_SECONDS, LIMIT_MB = 300.0, 400.0
"""For thinning and pruning together: "minutes", and "bounded memory" as in `benchmarks.memory`."""

PROJECT, KIND = "acme", "reports"
SHRINK = 16
"""Contents are so many times smaller than a report: what is measured depends on how many there are."""

_TEN_YEARS_NS = 10 * 365 * 86_400 * 1_000_000_000

TOLD_EVERY = 20
"""Snapshots after which the watcher is told something."""


class HourClock:
    """Says the hour that a snapshot is of."""

    def __init__(self) -> None:
        self.hour = FIRST_HOUR

    def now(self) -> datetime:
        return self.hour

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def hours_of(items: int) -> Hours:
    """The same hours, every time."""
    return Hours(items, SHAPES["hourly reports"], seed=4)


class Left(Struct, frozen=True):
    """What a repository folder holds."""

    files: int
    bytes: int

    @classmethod
    def of(cls, folder: Path) -> Left:
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return cls(len(sizes), sum(sizes))


class Desk(Struct, frozen=True):
    """Where the commands are run: the folder that is backed up, and a home and a repository for each tool."""

    folder: Path
    environment: dict[str, str]
    strongroom: str
    restic: str | None

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def settings(self) -> Path:
        return self.folder / "strongroom.toml"

    def ours(self, *words: str | Path) -> Cost:
        """A command of Strongroom's."""
        return self._run([self.strongroom, *words])

    def theirs(self, *words: str | Path) -> Cost:
        """A command of restic's."""
        return self._run([str(self.restic), "--quiet", *words])

    def back_up_theirs(self, hour: datetime) -> None:
        """A backup of restic's, dated to an hour. Not measured, so that the disk need not come to rest before each."""
        words = [str(self.restic), "--quiet", "backup", ".", "--host", "benchmark", "--time", f"{hour:%Y-%m-%d %H:%M:%S}"]
        subprocess.run(words, env=self.environment, cwd=self.source, check=True)

    def _run(self, words: Sequence[str | Path]) -> Cost:
        return run(words, environment=self.environment, folder=self.source, log=self.folder / "log")

    def make(self) -> None:
        """Empty repositories, and rules for ours."""
        self.source.mkdir()
        (self.folder / "home").mkdir()
        config = ("--config", self.settings)
        self.ours("init", self.folder / "strongroom", "--recovery-kit", self.folder / "kit.txt", *config)
        self.ours("project", "add", PROJECT, "--source", f"{KIND}={self.source}", *config)
        with self.settings.open("a", encoding="utf-8") as settings:
            settings.write(f"\n[projects.{PROJECT}.keep]\ndaily = {DAILY}\nmonthly = {MONTHLY}\n")
        if self.restic:
            self.theirs("init", "--repository-version", "2")


def change(folder: Path, before: Items, after: Items) -> None:
    """Make the folder that had the items of `before` have those of `after`."""
    for path, item in after.items():
        if before.get(path) is item:
            continue
        file = folder / os.fsdecode(path)
        if item.vanished_at is not None:
            file.unlink(missing_ok=True)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_bytes_of(item))
        os.utime(file, (item.mtime, item.mtime))


def _bytes_of(item: Item) -> bytes:
    return Random(item.content).randbytes(item.size // SHRINK)


def live(desk: Desk, items: int, snapshots: int, theirs: int) -> None:
    """Let the hours pass, with a backup after each; restic's for the last `theirs` of them."""
    hours = hours_of(items)
    # files are younger than the hours that are made up, and a backup reads those again that are no older than the last one
    comparison.GRANULARITY_NS = -_TEN_YEARS_NS
    clock, before, spent = HourClock(), dict[bytes, Item](), [0.0, 0.0]
    with context.opened(desk.settings) as place:
        project = place.project(PROJECT)
        project = replace(project, services=replace(project.services, clock=clock))
        settings = place.settings.project(PROJECT)
        source = sources.backup_source(settings, settings.sources[0])
        for number in range(1, snapshots + 1):
            clock.hour = _next(hours)
            change(desk.source, before, hours.items)
            before = dict(hours.items)
            start = time.perf_counter()
            back_up(project, source, BackupOptions())
            if number % maintenance.EVERY == 0:
                maintenance.run_maintenance(project, source.name, NoProgress(), locked=False)
            middle = time.perf_counter()
            if desk.restic and number > snapshots - theirs:
                desk.back_up_theirs(clock.hour)
            spent = [spent[0] + middle - start, spent[1] + time.perf_counter() - middle]
            if number % TOLD_EVERY == 0 or number == snapshots:
                say(f"{number} snapshots; so far {spent[0]:.0f} s in strongroom's backups, {spent[1]:.0f} s in restic's")


def _next(hours: Hours) -> datetime:
    hours.pass_()
    return hours.now


def main() -> int:
    """Lives the hours, thins and prunes, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--restic-snapshots", type=int, help="so many of the last hours for restic; default: all")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-prune")
    options = parser.parse_args()
    theirs = options.snapshots if options.restic_snapshots is None else min(options.restic_snapshots, options.snapshots)
    with empty_folder(options.work.resolve() / "desk") as folder:
        desk = _desk(folder)
        desk.make()
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:  # a large runner would show in every command's memory
            apart.submit(live, desk, options.items, options.snapshots, theirs).result()
        rules = f"{options.items:,} items, daily {DAILY}, monthly {MONTHLY}"
        print(f"| {rules} | wall | a forgotten snapshot | cpu | memory | did | |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        passed = _ours(desk)
        if desk.restic:
            _theirs(desk)
        _verify(desk, options.items)
    return 0 if passed else 1


def _desk(folder: Path) -> Desk:
    restic = find_program("restic", Path(sys.executable).parent)
    if restic is None:
        say("restic is not installed, and is left out")
    own = {
        "HOME": str(folder / "home"),
        "TZ": "UTC",
        "STRONGROOM_CONFIG": str(folder / "strongroom.toml"),
        "RESTIC_REPOSITORY": str(folder / "restic"),
        "RESTIC_PASSWORD": PASSPHRASE,
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
    }
    environment = child_environment() | own
    os.environ.update(environment)
    return Desk(folder, environment, require_program("strongroom"), restic)


def _ours(desk: Desk) -> bool:
    repository = desk.folder / "strongroom"
    before = Left.of(repository)
    thin = desk.ours("retention", "apply", PROJECT, "--yes", "--json")
    gone = len(json.loads(thin.output)["projects"][0]["forgotten"])
    _tell("strongroom retention apply", thin, gone, f"{gone} snapshots forgotten")
    prune = desk.ours("prune", PROJECT, "--yes", "--json")
    _tell("strongroom prune", prune, gone, _pruned(prune))
    both = replace(prune, wall=thin.wall + prune.wall, cpu=thin.cpu + prune.cpu, rss=max(thin.rss, prune.rss))
    passed = both.wall <= LIMIT_SECONDS and both.rss <= LIMIT_MB * 1e6
    verdict = f"{'passed' if passed else 'FAILED'} ({LIMIT_SECONDS:.0f} s, {LIMIT_MB:.0f} MB)"
    _tell("strongroom, both", both, gone, _room(before, Left.of(repository)), verdict)
    again = desk.ours("prune", PROJECT, "--yes", "--json")
    _tell("strongroom prune once more: packs that were stored anew go", again, gone, _pruned(again))
    _tell("strongroom check", desk.ours("check", PROJECT, "--data"), gone, _room(before, Left.of(repository)))
    return passed


def _pruned(cost: Cost) -> str:
    """What a prune says of itself."""
    told = json.loads(cost.output)["projects"][0]
    dead, repack = told["plan"]["dead"], told["plan"]["repack"]
    moved = f"{repack['packs']} wasteful packs, {told['stored'] / 1e6:.0f} MB stored anew"
    return f"{dead['packs']} dead packs; {told['deleted']} deleted, {told['freed'] / 1e6:.0f} MB freed; {moved}"


def _theirs(desk: Desk) -> None:
    repository = desk.folder / "restic"
    before, there = Left.of(repository), _restic_snapshots(desk)
    rules = ("--keep-daily", str(DAILY), "--keep-monthly", str(MONTHLY))
    cost = desk.theirs("forget", "--prune", *rules)
    gone = len(there) - len(_restic_snapshots(desk))
    room = f"{gone} of {len(there)} snapshots forgotten; {_room(before, Left.of(repository))}"
    _tell("restic forget --prune", cost, gone, room)
    _tell("restic check", desk.theirs("check", "--read-data"), gone, "")


def _restic_snapshots(desk: Desk) -> list[object]:
    return list(json.loads(desk.theirs("snapshots", "--json").output))


def _room(before: Left, after: Left) -> str:
    return f"{before.files} → {after.files} objects, {before.bytes / 1e6:.0f} → {after.bytes / 1e6:.0f} MB"


def _tell(name: str, cost: Cost, gone: int, did: str, verdict: str = "") -> None:
    one = f"{cost.wall / gone * 1e3:.0f} ms" if gone else ""
    print(
        f"| {name} | {cost.wall:.2f} s | {one} | {cost.cpu:.2f} s | {cost.rss / 1e6:.0f} MB | {did} | {verdict} |", flush=True
    )


def _verify(desk: Desk, items: int) -> None:
    """Raises `CommandError` or `DifferenceError` where a snapshot that is left does not give back what there was."""
    with context.opened(desk.settings) as place:
        from vault.repository import snapshots

        records = sorted(snapshots.committed(place.project(PROJECT)).records, key=lambda one: one.taken_at)
    for record in (records[0], records[-1]):
        hours = hours_of(items)
        while hours.now < record.taken_at:
            hours.pass_()
        with empty_folder(desk.folder / "was") as was, empty_folder(desk.folder / "restored") as target:
            change(was, {}, hours.items)
            cost = desk.ours("restore", PROJECT, "--at", record.id, "--to", target / "all")
            files = same_tree(was, target / "all" / KIND)
        say(f"{record.taken_at:%Y-%m-%d %H:%M}: {files} files restored in {cost.wall:.1f} s, equal to what there was")


if __name__ == "__main__":
    sys.exit(main())
