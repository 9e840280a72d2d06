"""Back to where items came from: each below the folder of its source.

    project at a moment -> its sources -> of each, the items without their kind's name, and the folder that the settings name

A folder that stands keeps its own time, whatever is put back into it; one that is gone is made again if the folder above it
stands: a disk that is not mounted must not be written beside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from restore.execution.executor import RestoreReport, execute, refuse
from restore.execution.row_view import Rows
from restore.execution.verification import Verification, verify_folder
from restore.local_fs import Attributes, Target
from restore.local_fs.metadata import apply as set_attributes
from restore.local_fs.syscalls import is_folder, stands
from restore.planning.plan import RestorePlan
from restore.selection.select import Selection
from vault.errors import TargetError, UsageError
from vault.problems import Problem
from vault.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa


class SourceRoot(Struct, frozen=True):
    """What goes back to the folder of one source. root: the attributes that its folder had, where the snapshot has them."""

    source: str
    kind: str
    folder: Path
    selection: Selection
    root: Attributes | None


def source_roots(selection: Selection, folders: Mapping[str, Path]) -> list[SourceRoot]:
    """Where everything that is selected belongs; what the selection could not use is for the caller to tell.

    folders: of sources, by name. Raises `UsageError` where one is not known, `TargetError` where one is not there.
    """
    import pyarrow.compute as pc

    sources = pc.unique(selection.table["source"]).to_pylist()
    unknown = [source for source in sources if source not in folders]
    if unknown:
        raise UsageError(
            f"no folder is known for source {unknown[0]!r} of project {selection.project.name!r}: it is not in the settings",
            hint="restore to another folder with --to DIR, or leave it out with --source NAME",
        )
    found = []
    for source in sorted(sources):
        refuse_missing(folders[source], source)
        table, above = (part.filter(pc.equal(part["source"], source)) for part in (selection.table, selection.above))
        own = replace(selection, table=below_kind(table), above=below_kind(above), damage=())
        found.append(SourceRoot(source, table["kind"][0].as_py(), folders[source], own, _of_root(table) or _of_root(above)))
    return found


def refuse_missing(folder: Path, source: str) -> None:
    """Raises `TargetError` unless the folder is there, or can be made in the one above it."""
    if is_folder(folder) or (not stands(folder) and is_folder(folder.parent)):
        return
    what = "is not a folder" if stands(folder) else "is not there"
    raise TargetError(
        f"the folder of source {source!r}, {folder}, {what}",
        hint="nothing was written; mount it or make it again, or restore to another folder with --to DIR",
    )


def apply_all(
    planned: list[tuple[SourceRoot, RestorePlan, Target]], stop: Callable[[], None], progress: Progress | None = None
) -> list[RestoreReport]:
    """Write what the plans say, all of them or, where one must be refused, none. Raises as `restore.execution.executor.execute`
    does."""
    for _, plan, _ in planned:
        refuse(plan)
    return [_apply(home, plan, target, stop, progress) for home, plan, target in planned]


def verify_source(
    home: SourceRoot,
    plan: RestorePlan,
    target: Target,
    report: RestoreReport,
    stop: Callable[[], None],
    progress: Progress | None = None,
) -> Verification:
    """Read again what went back to a source's folder (see `verify_folder`); what is not as it should be becomes a problem of
    the report."""
    above = len(home.kind) + 1
    known = [replace(one, path=one.path[above:]) for one in report.problems]
    found = verify_folder(plan, target, known, stop, progress)
    found.problems = [replace(one, path=_with_kind(home, one.path)) for one in found.problems]
    report.problems += found.problems
    return found


def _apply(
    home: SourceRoot, plan: RestorePlan, target: Target, stop: Callable[[], None], progress: Progress | None
) -> RestoreReport:
    try:
        wanted: Attributes | None = Attributes(mtime_ns=home.folder.stat().st_mtime_ns)
    except OSError:
        wanted = home.root
    report = execute(plan, target, stop, progress)
    report.problems = [replace(one, path=_with_kind(home, one.path)) for one in report.problems]
    if wanted is not None:
        report.problems += _settle(home, wanted)
    return report


def _settle(home: SourceRoot, wanted: Attributes) -> list[Problem]:
    """The source's own folder: the time that it had, or all that the snapshot says where it was gone."""
    path = home.kind.encode()
    try:
        descriptor = os.open(home.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return [Problem(path, "attributes", f"its folder cannot be opened: {error.strerror}")]
    try:
        is_root = os.geteuid() == 0
        if not is_root and os.fstat(descriptor).st_uid != os.geteuid():
            return []  # only its owner may say when it was changed
        failed = set_attributes(descriptor, wanted, is_root=is_root)
    finally:
        os.close(descriptor)
    return [Problem(path, "attributes", "could not set " + ", ".join(failed))] if failed else []


def _with_kind(home: SourceRoot, path: bytes) -> bytes:
    return home.kind.encode() + b"/" + path


def below_kind(table: pa.Table) -> pa.Table:
    """The items below the source's folder, by their paths there."""
    import pyarrow.compute as pc

    table = table.filter(pc.match_substring(table["path"], b"/"))
    at = table.schema.get_field_index("path")
    below = pc.replace_substring_regex(table["path"], b"(?s)\\A[^/]*/", b"")
    return table.set_column(at, table.schema.field(at), below)


def _of_root(table: pa.Table) -> Attributes | None:
    """The attributes of the source's own folder, if it is among these."""
    import pyarrow.compute as pc

    found = table.filter(pc.invert(pc.match_substring(table["path"], b"/")))
    return Rows(found).attributes(0) if found.num_rows else None
