"""A project that gets a report an hour, and a roll-up that grows: what one finds after weeks of hourly backups.

life = HourlyReports(tmp_path)
life.pass_hours(24)
apply(life.project, make_plan(life.project, options), options)
life.judge()
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from tests.support import independent_reader
from tests.support.places import checked, copied, identity, made_on, names, tiny_descriptor
from tests.support.trees import contents, text, write_tree
from vault.backup import run
from vault.format.chunks import ChunkerParams
from vault.format.layout import CONTENT_TIER, META_TIER, TIERS
from vault.repository.gc import forget
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

START = datetime(2127, 3, 3, tzinfo=UTC)
"""Long after what the machine's clock says: files are older than the snapshots that take them."""

FULL = 256 * 1024
"""Bytes of a full pack: that of a report is of the lower classes."""

CUTS = ChunkerParams(1024, 4096, 16_384)


class HourClock:
    """Says the hour that is being lived, and a millisecond more at every look."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class HourlyReports:
    """home: for the source · size: bytes of a report · expected: what each snapshot holds, by its id · forgotten:
    those that are no more."""

    home: Path
    size: int = 150
    create_once: bool = True
    clock: HourClock = field(default_factory=HourClock)
    expected: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    hours: int = 0

    def __post_init__(self) -> None:
        self.disk = MemoryStore()
        descriptor = replace(tiny_descriptor(pack=FULL, create_once=self.create_once), content=CUTS, meta=CUTS)
        self.project: Project = made_on(self.disk, descriptor, self.clock)
        self.folder = write_tree(self.home / "source", {})

    def copied(self, home: Path) -> HourlyReports:
        """The same again, in a place of its own."""
        other = HourlyReports(home, self.size, self.create_once)
        other.disk = copied(self.disk)
        other.project = replace(self.project, store=other.disk, services=replace(self.project.services, clock=other.clock))
        shutil.copytree(self.folder, other.folder, dirs_exist_ok=True)
        other.clock.moment, other.hours = self.clock.moment, self.hours
        other.expected, other.forgotten = dict(self.expected), set(self.forgotten)
        return other

    @property
    def source(self) -> run.Source:
        return run.Source.of_folder("files", "reports", os.fsencode(self.folder), Rules())

    def pass_hours(self, count: int) -> None:
        """So many hours, with a backup after each."""
        for _ in range(count):
            self.write_hour()
            self.back_up()

    def write_hour(self) -> None:
        """What the next hour brings."""
        self.hours += 1
        self.clock.moment = START + timedelta(hours=self.hours)
        hour = f"{self.clock.moment:%Y-%m-%d_%H}"
        total = "".join(f"{number}\n" for number in range(self.hours)).encode()
        write_tree(self.folder, {f"calls_{hour}.csv": text(hour, self.size), "total.csv": total})

    def back_up(self, project: Project | None = None) -> str:
        """A backup of what there is; gives the snapshot's id."""
        report = run.back_up(project or self.project, self.source, run.BackupOptions())
        self.expected[report.record.id] = contents(self.folder)
        return report.record.id

    def forget(self, snapshots: Sequence[str]) -> None:
        """These are wanted no more."""
        forget.forget(self.project, snapshots, reason="a test")
        self.forgotten |= set(snapshots)

    def packs(self, store: Store | None = None) -> tuple[int, int]:
        """How many packs of content and of the catalogue stand."""
        content, meta = (len(names(store or self.disk, self.project.folder(TIERS[tier]))) for tier in (CONTENT_TIER, META_TIER))
        return content, meta

    def count(self, part: str) -> int:
        """How many objects stand in a folder of the project."""
        return len(names(self.disk, self.project.folder(part)))

    def judge(self, store: MemoryStore | None = None, *, orphans: int | None = 0) -> None:
        """Everything is there, by a check that reads all, and by a reader that knows nothing but docs/format.md. orphans: packs
        that may stand though no snapshot needs them; None: any number."""
        disk = store or self.disk
        found = checked(replace(self.project, store=disk))
        assert found.sound, [*found.damage, *found.lost]
        assert orphans is None or found.orphans == orphans
        objects = {name: disk.get(name) for name in names(disk, "")}
        (given,) = independent_reader.read(objects, identity().encode()).values()
        assert given.refused == []
        assert given.snapshots.keys() == self.expected.keys() - self.forgotten
        for snapshot, held in given.snapshots.items():  # vanished items are among them
            assert {f"reports/{path}": data for path, data in self.expected[snapshot].items()}.items() <= held.items()
