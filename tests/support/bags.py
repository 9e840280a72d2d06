"""Bags for tests: made without a command line, and checked by tools that are not ours."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import bagit

from restore.existing import Existing
from restore.export.request import Asker, Request
from restore.export.words import in_words
from restore.export.write import Order
from restore.giving.conversion import Conversion
from restore.place import Nothing
from restore.plan import make_plan
from restore.select import Wish, select
from tests.support.coverage_notes import not_covered
from tests.support.places import TODAY
from vault.repository.project import Project

ASKER = Asker("olha@desk", datetime(2026, 11, 22, 10, 30, tzinfo=UTC), "ticket 17")


def ordered(project: Project, wish: Wish | None = None, *, asker: Asker = ASKER, conversion: Conversion | None = None) -> Order:
    """An export of what is wished for, everything by default."""
    wish = wish or Wish()
    request = Request(asker, in_words(project.name, wish), {}, {}, ZoneInfo(wish.zone), wish.at, "strongroom/test")
    selection = select(project, wish)
    return Order(request, selection, make_plan(selection, Nothing(), Existing.REFUSE, TODAY), conversion)


def at_another_time(order: Order) -> Order:
    """The same request of somebody else."""
    return replace(order, request=replace(order.request, asker=Asker("ivan@other", datetime(2027, 1, 2, tzinfo=UTC))))


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
