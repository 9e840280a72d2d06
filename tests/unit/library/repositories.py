"""A project that the library has open, as a program would have it that knows no terminal.

with restorable(tmp_path) as opened:
    select(opened.context, opened.project, SelectionOptions())
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from strongroom import context
from strongroom.context import Context
from strongroom.destinations import Destination
from strongroom.restore import restore
from strongroom.restore_options import RestoreOptions
from strongroom.restore_plan import PlannedRestore, plan_restore
from strongroom.restore_result import RestoreResult
from strongroom.selection import SelectedItems, SelectionOptions, select
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.repository.project import Project

MAY, JUNE = b"id,amount\n1,10\n2,20\n", b"id,amount\n3,30\n"
NOTES = b"remember the milk\n"
TICKET = b'{"ticket": 1}\n'
REPORTS = {"2024-05/a.csv": MAY, "2024-06/b.csv": JUNE, "notes.txt": NOTES}
EVERYTHING = {
    "reports/2024-05/a.csv": MAY,
    "reports/2024-06/b.csv": JUNE,
    "reports/notes.txt": NOTES,
    "tickets/t1.json": TICKET,
}
OLD_NOTES = b"remember nothing\n"


class OpenProject(Struct, frozen=True):
    """The project acme: reports and a ticket, backed up twice, with other notes the first time."""

    desk: Desk
    context: Context
    project: Project

    @property
    def reports(self) -> Path:
        """The folder of the source `reports`."""
        return self.desk.folder / "reports"

    def select(self, options: SelectionOptions | None = None, *, sources_apart: bool = False) -> SelectedItems:
        """Everything by default."""
        return select(self.context, self.project, options or SelectionOptions(), sources_apart=sources_apart)

    def plan(
        self,
        destination: Destination,
        options: RestoreOptions | None = None,
        selection: SelectionOptions | None = None,
        *,
        sources_apart: bool = False,
    ) -> PlannedRestore:
        """Of everything by default."""
        return plan_restore(self.context, self.select(selection, sources_apart=sources_apart), destination, options)

    def restore(
        self, destination: Destination, options: RestoreOptions | None = None, selection: SelectionOptions | None = None
    ) -> RestoreResult:
        """Planned and done."""
        return restore(self.plan(destination, options, selection))


@contextmanager
def restorable(folder: Path) -> Iterator[OpenProject]:
    """In a repository below a folder, with the environment of a person who has nothing else."""
    desk = Desk(folder / "desk", Place("repository"))
    desk.init()
    write_files(desk.folder, {f"reports/{name}": content for name, content in REPORTS.items()} | {"tickets/t1.json": TICKET})
    desk.add("acme", f"reports={desk.folder / 'reports'}", f"tickets={desk.folder / 'tickets'}")
    notes = desk.folder / "reports/notes.txt"
    notes.write_bytes(OLD_NOTES)
    desk.call("backup")
    notes.write_bytes(NOTES)
    desk.call("backup")
    with desk.surroundings(["library"]), context.opened(desk.settings) as opened:
        yield OpenProject(desk, opened, opened.project("acme"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
