"""The items of a project: those that it has at a moment, and those that it ever had."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from strongroom.context import Context
    from strongroom.history import HistoryOptions
    from strongroom.item_levels import ItemLevel
    from vault.problems import Problem
    from vault.repository.project import Project


class Item(Struct, frozen=True):
    """An item as a snapshot has it.

    path: as stored, with its kind in front · type: `file`, `folder` or `link` · size: in bytes · mtime_ns: nanoseconds since
    1970 · mode: permission bits · link_target: of a link · vanished_at: when it was found missing; None while the source has
    it · kind, format: as its manifest names them · period_start, period_end: what it is about, half-open; None where nobody
    knows · period_origin: where that is known from, such as `name` or `mtime` · consistency: `prefix` or `inconsistent` where
    its content is not that of a file at rest · uid, gid, owner, group: whose it is, the names where they are known ·
    attributes: (name, value) pairs that it has beside its content.
    """

    path: bytes
    type: str
    size: int
    mtime_ns: int
    mode: int
    link_target: bytes | None
    vanished_at: datetime | None
    kind: str
    format: str | None
    period_start: datetime | None
    period_end: datetime | None
    period_origin: str | None
    consistency: str | None
    uid: int
    gid: int
    owner: str | None
    group: str | None
    attributes: tuple[tuple[bytes, bytes], ...] = ()

    def period(self, zone: ZoneInfo) -> str | None:
        """What it is about, as `--period` takes it; None where nobody knows. zone: in which it is written."""
        if self.period_start is None or self.period_end is None:
            return None
        return _period(self.period_start, self.period_end, zone)

    def as_json(self, zone: ZoneInfo) -> dict[str, Any]:
        """For `--json`. zone: in which its period is written."""
        return {
            "path": printable(self.path),
            "type": self.type,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "mode": f"{self.mode:04o}",
            "link_target": None if self.link_target is None else printable(self.link_target),
            "vanished_at": _written(self.vanished_at),
            "kind": self.kind,
            "format": self.format,
            "period": self.period(zone),
            "period_start": _written(self.period_start),
            "period_end": _written(self.period_end),
            "period_origin": self.period_origin,
            "consistency": self.consistency,
            "uid": self.uid if self.uid >= 0 else None,
            "gid": self.gid if self.gid >= 0 else None,
            "owner": self.owner,
            "group": self.group,
            "attributes": {printable(name): printable(value) for name, value in self.attributes},
        }


_COLUMNS = (
    *("path", "type", "size", "mtime", "mtime_nanos", "mode", "link_target", "vanished_at", "kind", "format"),
    *("period_start", "period_end", "period_origin", "consistency", "uid", "gid", "owner", "group", "xattrs"),
)


def items_of(table: pa.Table) -> Iterator[Item]:
    """Rows of manifests as values, one after another."""
    for path, kind, size, seconds, nanos, *others in zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True):
        others[-1] = tuple((pair["name"], pair["value"]) for pair in others[-1] or ())
        yield Item(path, kind, size, seconds * 1_000_000_000 + nanos, *others)


class ItemListing(Struct, frozen=True):
    """The items of a project at a moment. selection: them as an Arrow table, by path, and the snapshots that they are from ·
    zone: in which their periods and moments are written."""

    selection: Selection
    zone: ZoneInfo

    @property
    def project(self) -> str:
        """The project's name."""
        return self.selection.project.name

    @property
    def damage(self) -> tuple[Problem, ...]:
        """What could not be read, so that there may be a newer state than this one."""
        return self.selection.damage

    def items(self) -> Iterator[Item]:
        """One after another, by path."""
        return items_of(self.selection.table)

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self.selection.table.num_rows)

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For `--json`. most: items that are listed."""
        table = self.selection.table if most is None else self.selection.table.slice(0, most)
        return {"project": self.project, "total": self.total, "items": [one.as_json(self.zone) for one in items_of(table)]}

    def level(self, patterns: Sequence[str] = ()) -> ItemLevel:
        """What lies right in the folder that patterns mean; the kinds where none is given."""
        from strongroom.item_levels import level_of

        return level_of(self, patterns)


def list_items(context: Context, project: Project, query: ItemQuery) -> ItemListing:
    """The items that a query means, at its moment. Raises `NothingFound`, `UsageError`, `Damaged`, `StorageError`."""
    from restore.selection.select import select

    return ItemListing(select(project, query), context.zone(project.name))


class FoundItem(Struct, frozen=True):
    """An item over all snapshots.

    path, source: of which source · kind, type, size, format, period_start, period_end, consistency: of its newest version, as
    for `Item` · first_seen, last_seen: moments of snapshots · missing_since: when it was found missing; None while the source
    has it · versions: their number · snapshot, snapshot_at: the newest one that the source had it at; where that one was
    forgotten, the newest that keeps it · older_forgotten: an older version may have been forgotten.
    """

    path: bytes
    source: str
    kind: str
    type: str
    size: int
    format: str | None
    period_start: datetime | None
    period_end: datetime | None
    consistency: str | None
    first_seen: datetime
    last_seen: datetime
    missing_since: datetime | None
    versions: int
    snapshot: str
    snapshot_at: datetime
    older_forgotten: bool

    @property
    def deleted(self) -> bool:
        """Whether the source no longer has it."""
        return self.missing_since is not None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": printable(self.path),
            "source": self.source,
            "kind": self.kind,
            "type": self.type,
            "size": self.size,
            "format": self.format,
            "period_start": _written(self.period_start),
            "period_end": _written(self.period_end),
            "consistency": self.consistency,
            "first_seen": self.first_seen.isoformat(),
            "last_seen": self.last_seen.isoformat(),
            "missing_since": _written(self.missing_since),
            "versions": self.versions,
            "snapshot": self.snapshot,
            "snapshot_at": self.snapshot_at.isoformat(),
            "first_seen_in_what_is_kept": self.older_forgotten,
            "deleted": self.deleted,
        }


class FoundItems(Struct, frozen=True):
    """All items that a query means over all snapshots. table: a row for each (see `restore.history.find.find`) · history: what
    they were found in · zone: in which moments are shown."""

    table: pa.Table
    history: History
    zone: ZoneInfo

    @property
    def project(self) -> str:
        """The project's name."""
        return self.history.project.name

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self.table.num_rows)

    @property
    def damage(self) -> tuple[Problem, ...]:
        """Snapshots that could not be read, and are left out."""
        return self.history.problems

    def items(self, most: int | None = None) -> tuple[FoundItem, ...]:
        """The first of them by path, or all."""
        rows = (self.table if most is None else self.table.slice(0, most)).to_pylist()
        return tuple(self._item(**row) for row in rows)

    def _item(self, *, began: int, **columns: Any) -> FoundItem:  # noqa: ANN401 (cells of a row, each of its own type)
        older = self.history.ledgers[columns["source"]].older_forgotten(began, columns["first_seen"])
        return FoundItem(**columns, older_forgotten=older)

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For `--json`. most: items that are listed."""
        items = [one.as_json() for one in self.items(most)]
        return {
            "project": self.project,
            "total": self.total,
            "items": items,
            "damage": [one.as_json() for one in self.damage],
        }


def find_items(
    context: Context, project: Project, query: ItemQuery, options: HistoryOptions, *, deleted: bool = False
) -> FoundItems:
    """The items that a query means over all snapshots; its moment counts for nothing. deleted: only those that the source no
    longer has. Raises `NothingFound`, `UsageError`, `StorageError`."""
    import pyarrow.compute as pc

    from restore.history.find import find
    from restore.history.suggestions import nothing_found
    from strongroom import history, notices

    question = history.question_of(query, options.since, options.until)
    known = history.load_history(context, project, options, source=query.source)
    table = find(known, question)
    if deleted:
        table = table.filter(pc.is_valid(table["missing_since"]))
    if not table.num_rows:
        notices.problems(known.problems)
        raise nothing_found(known, query)
    return FoundItems(table, known, context.zone(project.name))


@lru_cache(maxsize=4096)
def _period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """As `--period` takes it. Many items share one, and to find its shortest form takes up to a millisecond."""
    from classify import period_grammar
    from classify.period import Period

    return period_grammar.written(Period.between(start, end), zone)


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
