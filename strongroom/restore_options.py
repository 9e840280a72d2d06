"""How to restore, for every destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from restore.execution.ordered_reader import Room, whole_window
from restore.planning.conflict_policy import ConflictPolicy
from strongroom.destinations import (
    Bucket,
    Dav,
    Destination,
    InPlace,
    Mail,
)
from strongroom.remote_destinations import RemoteFolder
from strongroom.table_options import TableOptions
from vault.errors import UsageError

if TYPE_CHECKING:
    pass


class RestoreOptions(Struct, frozen=True, kw_only=True):
    """How to restore.

    on_conflict: what becomes of what stands where an item shall go; None: refuse, and in place newer
    tables: what to convert; nothing by default
    incomplete: restore the other items where content of some is missing
    verify: read again what was written, and compare it with what the snapshot says; not of converted tables
    room: bytes of content that may be read ahead, for what is written from front to back; asked again and again
    """

    on_conflict: ConflictPolicy | None = None
    tables: TableOptions = field(default_factory=TableOptions)
    incomplete: bool = False
    verify: bool = False
    room: Room = whole_window

    def policy(self, destination: Destination) -> ConflictPolicy:
        """What becomes of what is in the way."""
        return self.on_conflict or (ConflictPolicy.NEWER if is_in_place(destination) else ConflictPolicy.REFUSE)


def is_in_place(destination: Destination) -> bool:
    """Whether items go back to where they came from."""
    return isinstance(destination, InPlace) or (
        isinstance(destination, Dav | Bucket | RemoteFolder | Mail) and destination.in_place
    )


def refuse_unverifiable(options: RestoreOptions) -> None:
    """Raises `UsageError` where what is written cannot be compared with the snapshot."""
    if options.verify and options.tables.wanted:
        raise UsageError(
            "--verify excludes --as, --merge and --rows-in-period: a converted table is not what the snapshot has",
            hint="leave --verify out, or restore the files as they are",
        )
