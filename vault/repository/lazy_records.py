"""The records of a project's snapshots, of which only those are decoded that somebody asks for.

A history of years has thousands; a restore needs the newest of each source. Which these are, outlines tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, overload

from msgspec.structs import replace

from vault.errors import Damaged
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, StoredRecord

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


class LazyRecords(Sequence[Record]):
    """Records by time, as a list of them. outlines: of all of them, with the parents that they shall have · load: gives the
    records of some ids; may raise `Damaged`, `StorageError`."""

    def __init__(self, outlines: Iterable[Outline], load: Callable[[Collection[str]], Mapping[str, Record]]) -> None:
        self.outlines = sorted(outlines)
        self._load = load
        self._read: dict[str, Record] = {}

    def __len__(self) -> int:
        return len(self.outlines)

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
        return self.pick(_heads([one for one in self.outlines if one.source == source]))

    def at(self, moment: datetime | None) -> list[Record]:
        """See `snapshots.at`."""
        latest = None if moment is None else (moment - _EPOCH) // _MICROSECOND
        past: dict[str, list[Outline]] = {one.source: [] for one in self.outlines}
        for one in self.outlines:
            if latest is None or one.taken_at <= latest:
                past[one.source].append(one)
        return self.pick([one for _, own in sorted(past.items()) for one in _heads(own)[-1:]])


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


def _heads(own: Sequence[Outline]) -> list[Outline]:
    superseded = {parent for one in own for parent in one.parents}
    return [one for one in own if one.id not in superseded]


def _with_parents(record: Record, parents: tuple[str, ...]) -> Record:
    return record if record.parents == parents else replace(record, parents=parents)
