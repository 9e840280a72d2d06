"""In place, where the items come from a server: which one that is, and what a destination does not take back of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from strongroom import remote_destinations
from strongroom.destinations import (
    Archive,
    Bucket,
    Dav,
    Destination,
    InPlace,
    Mail,
    bucket_of_source,
    dav_of_source,
    mail_of_source,
)
from strongroom.remote_destinations import RemoteFolder
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.planning.plan import RestorePlan
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from strongroom.settings.projects import SourceSettings

_TAKEN_BACK = ("content-", "cache-control", "website-redirect-location", "metadata.", "tag.")
"""What a bucket takes back of what it has shown: beginnings of names."""

_NAMED = 6
_S3 = "s3."


class BackToServer(Struct, frozen=True):
    """Where items go, and which: by their paths there. left_out: what of them is not put back, in words."""

    destination: Destination
    selected: SelectedItems
    left_out: tuple[str, ...] = ()


def back_to_server(context: Context, selected: SelectedItems, destination: Destination) -> BackToServer:
    """In place, where the items come from a server: that, and the items by their paths there; else what was given. Raises
    `UsageError` where other items are among them, or none of them can be put back. Messages go by their own paths to
    mailboxes elsewhere, too."""
    if isinstance(destination, Mail):
        if len(selected.selection.table["kind"].unique()) > 1:
            hint = "restore them one after another, with --kind or --source"
            raise UsageError("these items are of several kinds, and mailboxes have no place for that", hint=hint)
        return BackToServer(destination, _by_own_paths(selected))
    if not isinstance(destination, InPlace):
        return BackToServer(destination, selected)
    names = set(selected.selection.table["source"].unique().to_pylist())
    sources = [one for one in context.settings.project(selected.project.name).sources if one.name in names]
    servers = [server for one in sources if (server := _server_of(context, one)) is not None]
    if not servers:
        return BackToServer(destination, selected)
    if len(names) > 1:
        raise UsageError(
            f"these items are of several sources ({', '.join(sorted(names))}), and not all of them are folders",
            hint="restore them in place one after another, with --source NAME",
        )
    own = _by_own_paths(selected)
    if not isinstance(servers[0], Bucket):
        return BackToServer(servers[0], own)
    table, left_out = _without_earlier_versions(own.selection.table)
    return BackToServer(servers[0], replace(own, selection=replace(own.selection, table=table)), left_out)


def _by_own_paths(selected: SelectedItems) -> SelectedItems:
    """The items by their paths in their source."""
    from restore.execution.in_place import below_kind

    selection = selected.selection
    own = replace(selection, table=below_kind(selection.table), above=below_kind(selection.above))
    return replace(selected, selection=own)


def _server_of(context: Context, source: SourceSettings) -> Bucket | Dav | RemoteFolder | Mail | None:
    """The server that a source is; None where it is something else. Raises `SettingsError` where no password can be had."""
    server = dav_of_source(context, source) or bucket_of_source(source)
    return server or remote_destinations.of_source(context, source) or mail_of_source(context, source)


def losses(destination: Destination, plans: Sequence[RestorePlan]) -> tuple[str, ...]:
    """What the items have and a destination does not take, in words."""
    names, count = _properties([plan.items for plan in plans])
    found = []
    if isinstance(destination, Bucket):
        names = [one for one in names if not one.startswith(_S3) or not one.removeprefix(_S3).startswith(_TAKEN_BACK)]
    if names and not isinstance(destination, Archive):
        some = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
        found.append(f"what the source showed of {counted(count, 'item')} beside the content ({some}) stays in the snapshot")
    if any(plan.files for plan in plans):
        match destination:
            case Dav():
                found.append(
                    "times of modification are kept by Nextcloud and ownCloud; other servers put the time of the restore"
                )
            case Bucket(in_place=True):
                found.append(
                    "objects bear the time of the restore, and get the bucket's own owner, storage class and encryption"
                )
    return tuple(found)


def _without_earlier_versions(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """A bucket makes versions itself, and takes none."""
    import pyarrow as pa

    from vault.source import bucket_versions

    keep = [bucket_versions.at(path) is None for path in table["path"].to_pylist()]
    gone = keep.count(False)
    if not gone:
        return table, ()
    if gone == len(keep):
        raise UsageError(
            "only earlier versions of objects match, and a bucket takes none back", hint="restore them elsewhere, with --to"
        )
    words = f"{counted(gone, 'earlier version')} of objects: a bucket takes none back; --to restores them elsewhere"
    return table.filter(pa.array(keep)), (words,)


def _properties(tables: Sequence[pa.Table]) -> tuple[list[str], int]:
    """The names of what sources showed of these items, and how many items have any."""
    names: set[str] = set()
    count = 0
    for shown in _shown(tables):
        names |= shown
        count += 1
    return sorted(names), count


def _shown(tables: Sequence[pa.Table]) -> Iterator[set[str]]:
    from vault.source.attributes import SHOWN

    for table in tables:
        column = table["xattrs"]
        if column.null_count == len(column):
            continue
        for pairs in column.drop_null().to_pylist():
            names = {pair["name"] for pair in pairs if pair["name"].startswith(SHOWN)}
            if names:
                yield {name.removeprefix(SHOWN).decode("utf-8", "backslashreplace") for name in names}
