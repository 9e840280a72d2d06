"""Which items of a project are meant: the options that every command shares, as a value, and what they come to.

options = SelectionOptions(kinds=["reports"], periods=["2024-05"])
selected = select(context, project, options)
selected.selection.table                        rows of manifests, one for each item
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, notices, time_parsing
from vault import wording
from vault.errors import TargetError, UsageError
from vault.problems import printable
from vault.progress import Stop, never
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from strongroom.context import Context
    from vault.progress import Progress
    from vault.repository.project import Project

ITEMS_NAMED = 10
"""Items that are named one by one; of more, how many there are."""


class SelectionOptions(Struct, frozen=True):
    """Which items are asked for, as a person writes it; empty means no matter which.

    patterns, paths: globs of paths (KIND/…); both mean the same
    kinds, formats: as `strongroom ls` shows them
    periods: 2024-05, 2024-Q3, last-month, …
    overlapping: what only touches a period, too
    at: a moment or a snapshot's id (see `strongroom.time_parsing`); None for now
    before: the state right before a moment; excludes `at`
    deleted: what the source no longer had, instead of what it had
    with_deleted: what the source no longer had, too
    source: of one source only
    versions: of each file the newest so many contents; None for all
    """

    patterns: Sequence[str] | None = None
    paths: Sequence[str] | None = None
    kinds: Sequence[str] | None = None
    periods: Sequence[str] | None = None
    formats: Sequence[str] | None = None
    overlapping: bool = False
    at: str | None = None
    deleted: bool = False
    source: str | None = None
    before: str | None = None
    versions: int | None = 1
    with_deleted: bool = False

    def query(self, context: Context, project: Project) -> ItemQuery:
        """What they mean in a project. Raises `UsageError`."""
        from restore.selection.query import ItemQuery

        zone = context.zone(project.name)
        at, words = self._moment(project, zone)
        return ItemQuery(
            patterns=(*(self.patterns or ()), *(self.paths or ())),
            at=at,
            at_words=words,
            deleted=self.deleted,
            with_deleted=self.with_deleted,
            source=self.source,
            kinds=tuple(self.kinds or ()),
            formats=tuple(self.formats or ()),
            periods=tuple(self.periods or ()),
            overlapping=self.overlapping,
            versions=self.versions,
            now=project.services.clock.now(),
            zone=zone.key,
        )

    def _moment(self, project: Project, zone: ZoneInfo) -> tuple[datetime | None, str]:
        """What `at` or `before` mean, and in words. Raises `UsageError`."""
        if self.at is not None and self.before is not None:
            raise UsageError("--at and --before exclude each other", hint="leave one of them out")
        if self.before is not None:
            end = time_parsing.parse(self.before, project, zone, begin=True)
            at = None if end is None else end - timedelta.resolution
        else:
            at = time_parsing.parse(self.at, project, zone)
        return at, "" if at is None else time_parsing.in_words(self.at, at, zone, before=self.before is not None)

    def as_json(self) -> dict[str, Any]:
        """As they were written, for reports; what was not said is left out."""
        said = {
            "patterns": [*(self.patterns or ()), *(self.paths or ())],
            "kinds": list(self.kinds or ()),
            "periods": list(self.periods or ()),
            "formats": list(self.formats or ()),
            "overlapping": self.overlapping,
            "at": self.at,
            "before": self.before,
            "deleted": self.deleted,
            "with_deleted": self.with_deleted,
            "source": self.source,
            "versions": "all" if self.versions is None else "" if self.versions == 1 else str(self.versions),
        }
        return {name: value for name, value in said.items() if value}


class ItemParts(TypedDict, total=False):
    """The fields of `SelectionOptions` as keywords, for the methods of `strongroom.Project`."""

    patterns: Sequence[str]
    paths: Sequence[str]
    kinds: Sequence[str]
    periods: Sequence[str]
    formats: Sequence[str]
    overlapping: bool
    at: str
    deleted: bool
    source: str
    before: str
    versions: int | None
    with_deleted: bool


def parse_versions(text: str) -> int | None:
    """`all` (None) or a number of versions, as `--versions` has it. Raises `UsageError`."""
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise UsageError(f"invalid number of versions {text!r}", hint="write --versions 3, or --versions all")


class AmbiguousSource(TargetError):
    """Several sources have an item of one path, so that one of these would be lost. path: the first such · sources: which have
    it, sorted."""

    def __init__(self, path: bytes, sources: Sequence[str]) -> None:
        super().__init__(
            f"the sources {' and '.join(sources)} have both an item {printable(path)}",
            hint=f"restore one of them at a time: {' or '.join(f'--source {one}' for one in sources)}",
        )
        self.path = path
        self.sources = tuple(sources)


class Unmatched(Struct, frozen=True):
    """Something that was picked, of which nothing is there. name: a path as stored, or a period · at, deleted, kinds: of
    the pick."""

    sort: Literal["item", "folder", "period"]
    name: bytes
    at: str | None = None
    deleted: str = "without"
    kinds: tuple[str, ...] = ()


class SelectedItems(Struct, frozen=True):
    """Items that a restore or an export begins with.

    selection: the rows, and the snapshots that they are from · query: what was asked for · options: the same as it was written
    · zone: in which periods and moments are meant · missing_snapshots: ids of snapshots that were here and are gone
    · unmatched: what was picked and is not there, where items were picked one by one
    """

    selection: Selection
    query: ItemQuery
    options: SelectionOptions
    zone: ZoneInfo
    missing_snapshots: tuple[str, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()

    @property
    def project(self) -> Project:
        """Whose items these are."""
        return self.selection.project


def select(
    context: Context,
    project: Project,
    options: SelectionOptions,
    *,
    sources_apart: bool = False,
    stop: Stop = never,
    progress: Progress | None = None,
) -> SelectedItems:
    """The items that are meant, with older versions of them where these are asked for.

    sources_apart: each source's items go to a folder of their own, so that two of them may have one path · stop: called often
    while versions are looked for; what it raises ends the work · progress: hears of the same.

    Says through `strongroom.notices` which snapshots are gone, what a wider reading of the period would add, and which items
    are not what a file at rest had. Raises `AmbiguousSource`, `NothingFound`, `UsageError`, `KeyRefused`, `Damaged`,
    `StorageError`.
    """
    from restore.selection.duplicates import shared, without_duplicate_folders
    from restore.selection.select import select as select_rows

    command_log.require_reading(context, project, "read")
    missing = tuple(context.gone_as_reader(project))
    query = options.query(context, project)
    selection = select_rows(project, query)
    if not sources_apart:
        selection = without_duplicate_folders(selection)
        found = shared(selection)
        if found is not None:
            raise AmbiguousSource(*found)
    notice_beyond(selection, options.periods)
    warn_of_inconsistent(selection.table)
    zone = context.zone(project.name)
    if query.versions != 1:
        selection = _with_versions(context, selection, query, stop, progress)
    return SelectedItems(selection, query, options, zone, missing)


def _with_versions(
    context: Context, selection: Selection, query: ItemQuery, stop: Stop, progress: Progress | None
) -> Selection:
    """The selection, and the older versions of its files."""
    from restore.selection.versions import with_older
    from strongroom.history import HistoryOptions, load_history
    from vault.progress import NoProgress

    project = selection.project
    history = load_history(context, project, HistoryOptions(progress=progress or NoProgress(), stop=stop))
    found = with_older(selection, history, query.versions, query.at, context.zone(project.name))
    return replace(found, damage=(*found.damage, *history.problems))


def notice_moment(query: ItemQuery, selection: Selection, zone: ZoneInfo) -> None:
    """Say which moment is shown, where one was asked for."""
    if query.at_words:
        taken = max(one.taken_at for one in selection.records)
        notices.notice(f"as of {wording.moment(taken, zone)}, the newest snapshot up to {query.at_words}")


def notice_beyond(selection: Selection, periods: Sequence[str] | None) -> None:
    """Say what a wider reading of the period would add."""
    beyond = selection.beyond
    if beyond.items:
        notices.notice(
            f"{counted(beyond.items, 'item')} ({wording.size(beyond.bytes)}) reach beyond {' or '.join(periods or ())} "
            "and are left out; --overlapping takes them too"
        )


def warn_of_inconsistent(items: pa.Table) -> None:
    """Say which items are not what a file at rest had."""
    from vault.format import manifest

    if items["consistency"].null_count == items.num_rows:
        return
    for mask, text in (
        (manifest.is_inconsistent(items), "changed while the backup read it: its content may be of several moments"),
        (manifest.is_prefix(items), "grew while the backup read it: what it had at first is kept"),
    ):
        paths = items["path"].filter(mask)
        for path in paths.slice(0, ITEMS_NAMED).to_pylist():
            notices.warn(f"{printable(path)} {text}")
        if len(paths) > ITEMS_NAMED:
            notices.warn(f"… and so did {counted(len(paths) - ITEMS_NAMED, 'more item')}")
