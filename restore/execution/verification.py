"""Reading again what a restore has written, from where it was written to, and comparing it with what the snapshot says.

    folder     every file is read from the disk: the kernel is asked to forget first what it holds of it in memory
    archive    every entry is read out of the archive (restore/outputs/archive_verification.py)
    bucket     every object is fetched (restore/outputs/object_verification.py)
    webdav     every file is fetched (restore/outputs/dav_sink.py)
    server     every file is fetched (restore/outputs/remote_sink.py)
    mail       every message is fetched (restore/outputs/mail_sink.py)

What could not be restored is a problem already, and is not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain, tee
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from restore.execution.row_view import Rows
from restore.local_fs import Inspection, Target, TargetItem
from vault.format import manifest
from vault.problems import Problem
from vault.progress import NoProgress, Progress

if TYPE_CHECKING:
    from restore.planning.plan import RestorePlan

DIFFERS = "verify"
"""What a problem is called that was found by reading again."""

NO_CHECKSUM = "the snapshot has no checksum of it: what was written could not be compared"
OTHER_CONTENT = "read again, it is not what the snapshot has"
NOT_THERE = "it was written, and is not there when it is read again"


class Verification(Struct):
    """What was read again. medium: `disk`, `archive`, `bucket`, `webdav`, `server`, `mail` · files, folders, links: that are as
    the snapshot has them · bytes_read: their content · problems: what is not, in the words of a restore's problems."""

    medium: str
    files: int = 0
    folders: int = 0
    links: int = 0
    bytes_read: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Items whose content, kind or presence is not what the snapshot says."""
        return sum(one.what == DIFFERS for one in self.problems)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        counts = {name: getattr(self, name) for name in ("files", "folders", "links")}
        return {"medium": self.medium, **counts, "bytes": self.bytes_read, "items_differing": self.differing}

    def agree(self, item: TargetItem) -> None:
        """An item is what it should be."""
        self.files += item.kind == manifest.FILE
        self.folders += item.kind == manifest.FOLDER
        self.links += item.kind == manifest.LINK
        self.bytes_read += item.size if item.kind == manifest.FILE else 0

    def differ(self, path: bytes, message: str) -> None:
        """An item is not."""
        self.problems.append(Problem(path, DIFFERS, message))


def written_items(plan: RestorePlan, failed: Collection[bytes]) -> Iterator[TargetItem]:
    """What a plan has written, under the names that it got. failed: paths of what could not be restored."""
    rows = Rows(plan.items)
    for row in range(len(rows)):
        if row not in plan.untouched and rows.path(row) not in failed:
            item = rows.item(row)
            yield item._replace(path=plan.renamed.get(row, item.path))


def verify_folder(
    plan: RestorePlan,
    target: Target,
    known: Collection[Problem],
    stop: Callable[[], None],
    progress: Progress | None = None,
) -> Verification:
    """Read again what a plan has written below a folder, and compare content, kinds and attributes.

    known: the problems of the restore, by the paths of the plan · stop: called often; what it raises ends the work.
    """
    progress = progress or NoProgress()
    found = Verification("disk")
    failed = {one.path for one in known if one.what != "attributes"}
    unset = {one.path for one in known if one.what == "attributes"}
    progress.phase("verifying", items=plan.files, size=plan.bytes_to_write)
    items, compared = tee(chain(written_items(plan, failed), _repaired(plan, failed)))  # one object at a time
    for item, seen in zip(items, target.compare(compared, from_disk=True), strict=True):
        stop()
        _compare(found, item, seen, attributes=item.path not in unset)
        if item.kind == manifest.FILE:
            progress.advance(items=1, size=item.size)
    return found


def _repaired(plan: RestorePlan, failed: Collection[bytes]) -> Iterator[TargetItem]:
    """What was there and got its attributes alone."""
    rows = Rows(plan.repairs)
    yield from (rows.item(row) for row in range(len(rows)) if rows.path(row) not in failed)


def _compare(found: Verification, item: TargetItem, seen: Inspection, *, attributes: bool) -> None:
    if not seen.same:
        unknown = item.kind == manifest.FILE and item.digest is None
        found.differ(item.path, NO_CHECKSUM if unknown else _why(seen))
        return
    found.agree(item)
    if seen.differing and attributes:
        message = f"read again, it has another {', '.join(seen.differing)} than the snapshot says"
        found.problems.append(Problem(item.path, "attributes", message))


def _why(seen: Inspection) -> str:
    return f"it could not be read again: {seen.unreadable}" if seen.unreadable else OTHER_CONTENT
