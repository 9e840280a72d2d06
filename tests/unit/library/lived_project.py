"""A project with some past that the library has open, as a program would have it that knows no terminal.

with opened_project(lived_desk(tmp_path)) as lived:
    list_snapshots(lived.context, lived.project)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct

from restore.selection.query import ItemQuery
from strongroom import context, environment
from strongroom.context import Context
from tests.e2e.test_story import Calendar
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.format.snapshot_record import Record
from vault.repository import snapshots
from vault.repository.project import Project

CALLS = b"call_id;operator;minutes\n" + b"".join(b"%d;op%d;%d\n" % (n, n % 3, n % 7) for n in range(100, 140))
CORRECTED = CALLS.replace(b"\n117;op0;5\n", b"\n117;op0;500\n")
STATES: tuple[dict[str, bytes | None], ...] = (
    {"2024/calls-2024-05.csv": CALLS, "2024/a.csv": b"a,b\n1,2\n", "note.txt": b"n"},
    {"2024/calls-2024-05.csv": CORRECTED, "note.txt": None},
    {"2024/a.csv": None, "note.txt": b"n again"},
)
"""What is written before each backup, below the source's folder; None: deleted."""


@dataclass
class Heard:
    """A listener that remembers the phases of a work, and how many items were done."""

    phases: list[str] = field(default_factory=list)
    items: int = 0

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        self.phases.append(name)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        self.items += items


class LivedProject(Struct, frozen=True):
    """The project acme with the source `reports`."""

    desk: Desk
    context: Context
    project: Project

    @property
    def source(self) -> Path:
        """The folder of the source."""
        return self.desk.folder / "source"

    @property
    def records(self) -> Sequence[Record]:
        """Of the snapshots, by time."""
        return snapshots.committed(self.project).records

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.records]

    def query(self, *patterns: str, source: str | None = None) -> ItemQuery:
        zone = self.context.zone(self.project.name)
        return ItemQuery(patterns, source=source, now=self.project.services.clock.now(), zone=zone.key)

    def record_file(self, snapshot: str) -> Path:
        """Where a record lies in the repository."""
        (found,) = (self.desk.folder / "repository").rglob(f"snapshots/{snapshot}")
        return found


def change(folder: Path, state: dict[str, bytes | None]) -> None:
    """Write and delete files."""
    write_files(folder, {name: content for name, content in state.items() if content is not None})
    for name, content in state.items():
        if content is None:
            (folder / name).unlink()


def lived_desk(folder: Path, states: tuple[dict[str, bytes | None], ...] = STATES, *, more_settings: str = "") -> Desk:
    """One snapshot after each state, two days apart, in a repository below a folder; the last one was two days ago."""
    desk = Desk(folder / "desk", Place("repository"))
    source = desk.folder / "source"
    with pytest.MonkeyPatch.context() as patch:
        calendar = Calendar(-timedelta(days=2 * len(states)))
        patch.setattr(environment, "SystemClock", lambda: calendar)
        desk.init()
        for number, state in enumerate(states):
            change(source, state)
            if not number:
                desk.add("acme", f"reports={source}")
                with desk.settings.open("a") as settings:
                    settings.write(more_settings)
            desk.call("backup", "-q")
            calendar.ahead += timedelta(days=2)
    return desk


@contextmanager
def opened_project(desk: Desk) -> Iterator[LivedProject]:
    """The project of a desk, with the environment of a person who has nothing else."""
    with desk.surroundings(["library"]), context.opened(desk.settings, commits=True) as opened:
        yield LivedProject(desk, opened, opened.project("acme"))
