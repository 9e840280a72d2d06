"""The selection that a restore or an export begins with: of one source where several have an item of one path, and with older
versions where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cli import prompts
from cli.commands.history import gathered
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from strongroom.context import Context
    from vault.repository.project import Project


def versions_of(text: str) -> int | None:
    """The number of versions that is meant; None for all. Raises `UsageError`."""
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"invalid number of versions {text!r}", hint="write --versions 3, or --versions all")


def selected(project: Project, query: ItemQuery, *, several_places: bool = False) -> tuple[Selection, ItemQuery]:
    """What is meant, and the wish that it is by now. several_places: each source's items go to a place of their own, so that
    two of them may have one path. Raises what `restore.selection.select.select` raises, and `TargetError`."""
    from restore.selection.duplicates import without_twin_folders
    from restore.selection.select import select

    selection = select(project, query)
    if several_places:
        return selection, query
    selection = without_twin_folders(selection)
    source = prompts.source(selection)
    if source is None:
        return selection, query
    query = replace(query, source=source)
    return select(project, query), query


def with_versions(place: Context, selection: Selection, query: ItemQuery, *, quiet: bool) -> Selection:
    """The selection, and the older versions of its files where the wish has them."""
    if query.versions == 1:
        return selection
    from restore.selection.versions import with_older

    project = selection.project
    known = gathered(place, project, quiet=quiet)
    found = with_older(selection, known, query.versions, query.at, place.zone(project.name))
    return replace(found, damage=(*found.damage, *known.problems))
