"""The records of a project's snapshots, of which only those are decoded that somebody asks for.

A history of years has thousands; a restore needs the newest of each source. Which these are, outlines tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

from msgspec.structs import replace

from vault.errors import Damaged
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, StoredRecord

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Outline(NamedTuple):
    """What tells a snapshot apart. taken_at: microseconds since 1970 in UTC."""

    taken_at: int
    id: str
    source: str
    parents: tuple[str, ...]

    @property
    def moment(self) -> datetime:
        """When it was taken."""
        return _EPOCH + timedelta(microseconds=self.taken_at)


def outline_of(record: Record) -> Outline:
    """Of a record that was read."""
    return Outline((record.taken_at - _EPOCH) // _MICROSECOND, record.id, record.source, record.parents)


def as_columns(outlines: Collection[Outline]) -> pa.Table:
    """`COLUMNS` of these snapshots; parents: with blanks between them."""
    import pyarrow as pa

    kinds = (pa.int64(), pa.string(), pa.string(), pa.string())
    rows = [(*one[:3], " ".join(one.parents)) for one in outlines]
    given = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return pa.table([pa.array(column, kind) for column, kind in zip(given, kinds, strict=True)], names=COLUMNS)


COLUMNS = ["taken_at", "id", "source", "parents"]


class Forgotten(Protocol):
    """What notes say was forgotten."""

    @property
    def by_id(self) -> Mapping[str, object]:
        """By the ids of these snapshots."""
        ...

    def parents_of(self, parents: Iterable[str]) -> tuple[str, ...]:
        """The parents, and what those of them that were forgotten superseded."""
        ...


class LazyRecords(Sequence[Record]):
    """Records by time, as a list of them. Which is the newest, columns tell: of two years of hours there are 17,520, and making
    an object of each took as long as restoring a month.

    columns: `COLUMNS` of all of them, each once · gone: in place of a parent that was forgotten come those that it superseded ·
    load: gives the records of some ids; may raise `Damaged`, `StorageError`."""

    def __init__(self, columns: pa.Table, gone: Forgotten, load: Callable[[Collection[str]], Mapping[str, Record]]) -> None:
        self._columns = columns
        self._gone = gone
        self._load = load
        self._read: dict[str, Record] = {}
        self._known: list[Outline] | None = None

    @property
    def outlines(self) -> list[Outline]:
        """Of all of them, by time."""
        if self._known is None:
            self._known = self._outlines(self._columns)
        return self._known

    def _outlines(self, columns: pa.Table) -> list[Outline]:
        gone = self._gone
        rows = zip(*(columns[name].to_pylist() for name in COLUMNS), strict=True)
        found = [Outline(taken_at, one, source, tuple(parents.split())) for taken_at, one, source, parents in rows]
        if gone.by_id:
            known = gone.by_id.keys()
            found = [
                one if known.isdisjoint(one.parents) else one._replace(parents=gone.parents_of(one.parents)) for one in found
            ]
        return sorted(found)

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return self.pick(self.outlines[place])
        return self.pick([self.outlines[place]])[0]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.pick(self.outlines))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def pick(self, outlines: Sequence[Outline]) -> list[Record]:
        """These records, in this order. Raises `Damaged`, `StorageError` where one cannot be read."""
        missing = [one.id for one in outlines if one.id not in self._read]
        if missing:
            found = self._load(missing)
            if len(found) < len(missing):
                raise Damaged(f"the record of snapshot {min(set(missing) - found.keys())} cannot be read")
            self._read |= found
        return [_with_parents(self._read[one.id], one.parents) for one in outlines]

    def heads(self, source: str) -> list[Record]:
        """See `snapshots.heads`."""
        import pyarrow.compute as pc

        return self.pick(self._heads(self._columns.filter(pc.equal(self._columns["source"], source))))

    def at(self, moment: datetime | None) -> list[Record]:
        """See `snapshots.at`."""
        import pyarrow.compute as pc

        past = self._columns
        if moment is not None:
            past = past.filter(pc.less_equal(past["taken_at"], (moment - _EPOCH) // _MICROSECOND))
        sources = sorted(pc.unique(past["source"]).to_pylist())
        own = (past.filter(pc.equal(past["source"], source)) if len(sources) > 1 else past for source in sources)
        return self.pick([one for rows in own for one in self._heads(rows)[-1:]])

    def _heads(self, own: pa.Table) -> list[Outline]:
        """Those of a source's snapshots that no other supersedes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parents = pc.unique(pc.list_flatten(pc.split_pattern(own["parents"], " ")))
        superseded = {*parents.to_pylist()}
        superseded.update(self._gone.parents_of(superseded & self._gone.by_id.keys()))
        return self._outlines(own.filter(pc.invert(pc.is_in(own["id"], value_set=pa.array(superseded, pa.string())))))


class LazyMoves(Sequence[MovedPacks]):
    """Records of moved packs, as a list of them: who restores needs none of them. read: those that were read · more: so many
    that `load` gives, among whatever else is stored under such names."""

    def __init__(self, read: Iterable[MovedPacks], more: int, load: Callable[[], Iterable[StoredRecord]]) -> None:
        self._read = tuple(read)
        self._more = more
        self._load = load

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, place: int) -> MovedPacks: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[MovedPacks, ...]: ...
    def __getitem__(self, place: int | slice) -> MovedPacks | tuple[MovedPacks, ...]:
        return self._all()[place]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def _all(self) -> tuple[MovedPacks, ...]:
        if self._more:
            self._read += tuple(one for one in self._load() if isinstance(one, MovedPacks))
            self._more = 0
        return self._read


def _with_parents(record: Record, parents: tuple[str, ...]) -> Record:
    return record if record.parents == parents else replace(record, parents=parents)
