"""Bags for tests: made without a command line, and checked by tools that are not ours."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import bagit
from msgspec.structs import replace

from restore.export.request import ExportRequest, Requester
from restore.export.selection_text import in_words
from restore.export.write import ExportOptions
from restore.outputs.conversion import Conversion
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import make_plan
from restore.selection.select import ItemQuery, select
from tests.support.coverage_notes import not_covered
from tests.support.places import TODAY
from vault.repository.project import Project

ASKER = Requester("olha@desk", datetime(2026, 11, 22, 10, 30, tzinfo=UTC), "ticket 17")


def ordered(
    project: Project, query: ItemQuery | None = None, *, asker: Requester = ASKER, conversion: Conversion | None = None
) -> ExportOptions:
    """An export of what is wished for, everything by default."""
    query = query or ItemQuery()
    request = ExportRequest(asker, in_words(project.name, query), {}, {}, ZoneInfo(query.zone), query.at, "strongroom/test")
    selection = select(project, query)
    return ExportOptions(request, selection, make_plan(selection, EmptyDestination(), ConflictPolicy.REFUSE, TODAY), conversion)


def at_another_time(order: ExportOptions) -> ExportOptions:
    """The same request of somebody else."""
    return replace(order, request=replace(order.request, asker=Requester("ivan@other", datetime(2027, 1, 2, tzinfo=UTC))))


def validate(bag: Path) -> bagit.Bag:
    """The bag, once the tool of the Library of Congress has found it valid and `sha256sum` has, too."""
    found = bagit.Bag(str(bag))
    found.validate()
    if shutil.which("sha256sum") is None:
        not_covered("sha256sum on the manifests of a bag (the program is not installed)")
        return found
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        if (bag / manifest).stat().st_size:
            subprocess.run(["sha256sum", "--check", "--strict", "--quiet", manifest], cwd=bag, check=True)
    return found


def unzipped(archive: Path, to: Path) -> Path:
    """The one folder of a ZIP file, extracted."""
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        assert {name.partition("/")[0] for name in file.namelist()} == {archive.stem}
        file.extractall(to)
    return to / archive.stem


def files_of(bag: Path) -> dict[str, bytes]:
    """Every file, by its path."""
    return {str(path.relative_to(bag)): path.read_bytes() for path in sorted(bag.rglob("*")) if path.is_file()}
