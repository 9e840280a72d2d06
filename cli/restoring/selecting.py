"""The selection that a restore or an export begins with: of one source where several have an item of one path, and with older
versions where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cli import choosing
from cli.commands.history import gathered
from vault.errors import UsageError

if TYPE_CHECKING:
    from cli.workplace import Workplace
    from restore.select import Selection
    from restore.wish import Wish
    from vault.repository.project import Project


def versions_of(text: str) -> int | None:
    """The number of versions that is meant; None for all. Raises `UsageError`."""
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"{text!r} is not a number of versions", hint="write --versions 3, or --versions all")


def selected(project: Project, wish: Wish, *, several_places: bool = False) -> tuple[Selection, Wish]:
    """What is meant, and the wish that it is by now. several_places: each source's items go to a place of their own, so that
    two of them may have one path. Raises what `restore.select.select` raises, and `TargetError`."""
    from restore.select import select
    from restore.twins import without_twin_folders

    selection = select(project, wish)
    if several_places:
        return selection, wish
    selection = without_twin_folders(selection)
    source = choosing.source(selection)
    if source is None:
        return selection, wish
    wish = replace(wish, source=source)
    return select(project, wish), wish


def with_versions(place: Workplace, selection: Selection, wish: Wish, *, quiet: bool) -> Selection:
    """The selection, and the older versions of its files where the wish has them."""
    if wish.versions == 1:
        return selection
    from restore.older import with_older

    project = selection.project
    known = gathered(place, project, quiet=quiet)
    found = with_older(selection, known, wish.versions, wish.at, place.zone(project.name))
    return replace(found, damage=(*found.damage, *known.problems))
