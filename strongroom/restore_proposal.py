"""Where a restore should go that names no destination: back in place where the files are gone there, else a new folder.

    proposal = propose(context, selected)        # selected: with `sources_apart`
    planned = plan_restore(context, proposal.selected, proposal.destination)

In place only where none of the files and links exists below the folder of its source: then nothing can be replaced. A new
folder, `PROJECT-restored-2026-11-29` in the current one, takes everything else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from restore.execution.in_place import source_roots
from restore.local_fs import Target
from restore.local_fs.syscalls import stands
from restore.planning.conflicts import all_paths
from strongroom.destinations import Folder, InPlace, project_folder
from strongroom.restore_options import RestoreOptions
from strongroom.restore_parts import today
from vault.errors import StrongroomError
from vault.format import manifest

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.repository.project import Project


class Proposal(Struct, frozen=True):
    """A destination, and why it is proposed, in words. selected: the items in the form that it takes."""

    destination: InPlace | Folder
    why: str
    selected: SelectedItems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        folder = self.destination.text if isinstance(self.destination, Folder) else None
        return {"in_place": folder is None, "folder": folder, "why": self.why}


def propose(context: Context, selected: SelectedItems, options: RestoreOptions | None = None) -> Proposal:
    """Where the selected items should go. Nothing is written.

    selected: with `sources_apart` · options: None for the defaults. Raises `AmbiguousSource` where the items go to one folder,
    and two sources have one of a path; `StorageError`.
    """
    why = _why_not_in_place(context, selected, options or RestoreOptions())
    if not why:
        return Proposal(InPlace(), "none of these files exists any more where it was", selected)
    return Proposal(Folder(_new_folder(selected.project)), why, _together(selected))


def _why_not_in_place(context: Context, selected: SelectedItems, options: RestoreOptions) -> str:
    """Why the items cannot simply go back; nothing where they can."""
    import pyarrow.compute as pc

    if options.tables.wanted:
        return "converted tables do not go back in place"
    if selected.query.versions != 1:
        return "several versions of a file do not go back in place"
    sources = context.settings.projects.get(selected.project.name, ())
    names = set(selected.selection.table["source"].unique().to_pylist())
    if any(one.url is not None for one in sources if one.name in names):
        return "these items come from no folder (--in-place puts them back where they came from)"
    folders = {one.name: one.path.absolute() for one in sources if one.path is not None}
    try:
        roots = source_roots(selected.selection, folders)
        for root in roots:
            table = root.selection.table
            gone = table.filter(pc.not_equal(table["type"], manifest.FOLDER))
            with Target(os.fsencode(root.folder)) as target:
                if target.existing(all_paths(gone)):
                    return "some of these files exist where they were"
    except StrongroomError as error:
        return str(error)
    return ""


def _together(selected: SelectedItems) -> SelectedItems:
    """The items of all sources in one folder."""
    from restore.selection.duplicates import shared, without_duplicate_folders
    from strongroom.selection import AmbiguousSource

    selection = without_duplicate_folders(selected.selection)
    found = shared(selection)
    if found is not None:
        raise AmbiguousSource(*found)
    return replace(selected, selection=selection)


def _new_folder(project: Project) -> Path:
    """A name in the current folder that nothing has."""
    name = f"{project_folder(project)}-restored-{today(project).isoformat()}"
    path, number = Path(name), 1
    while stands(path.absolute()):
        number += 1
        path = Path(f"{name}-{number}")
    return path
