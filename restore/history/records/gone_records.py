"""Records that are gone from items of JSON Lines which are still there: as they were last, and between which snapshots they
went.

    ledger -> the versions of an item that differ -> the lines that each has and the next one has not (`changed_lines`)
           -> by their keys: those that no later version has again, and that no other item of the entity got then

What was looked at lies in a private database: memory stays bounded, however much is gone.
"""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
from msgspec import Struct

from restore.execution.fetcher import fetch
from restore.history.ledger import Ledger
from restore.history.records.changed_lines import ChunkNeighbours, changed_lines
from restore.history.records.record_id import RecordId, id_text, value_at
from restore.history.records.timeline import entity_of
from restore.history.timeline import Question, timeline, window
from restore.history.update import History
from restore.selection.versions import by_snapshot
from restore.tables.readers.json_values import parse
from vault.coverage import Coverage
from vault.errors import Damaged, StrongroomError
from vault.format import manifest
from vault.format.chunks import ID_SIZE
from vault.format.layout import CONTENT_TIER
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import PackReader
from vault.repository.pack_reader import places as chunk_places

if TYPE_CHECKING:
    import pyarrow as pa

JSON_LINES = "jsonl"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
COLUMNS = ["path", "blake3", "chunks"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = """
create table gone (key text primary key, version integer, line blob) without rowid;
create table seen (key text primary key, version integer) without rowid;
"""


class GoneRecords(NamedTuple):
    """Of one item. file: JSON Lines, a record a line, by key · deleted_at, seen_at: of each line, in microseconds since 1970:
    the first snapshot without it, and the last one that surely had it: one that saw everything, or saw it new or changed."""

    file: Path
    deleted_at: array[int]
    seen_at: array[int]


class ItemVersion(Struct, frozen=True):
    """A version of an item. first, last: numbers of the snapshots that have it · digest: of its content."""

    path: bytes
    first: int
    last: int
    digest: bytes | None
    is_there: bool


class GoneRecordsReader:
    """Looks for what is gone from the items of a project. index: of the project · until: only snapshots up to that moment ·
    keys: the field that tells the records of an item apart, as its source states it (source, path)."""

    def __init__(
        self,
        history: History,
        index: ChunkIndex,
        until: datetime | None,
        keys: Callable[[str, bytes], str],
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        project = history.project
        self._ledgers = history.ledgers
        self._index = index
        self._meta = MetaReader(project, index)
        self._packs = PackReader(project, index)
        self._until = until
        self._keys = keys
        self._stop = stop
        self._versions = {source: _by_path(ledger, until) for source, ledger in history.ledgers.items()}

    def token(self, source: str, path: bytes) -> str:
        """What changes when other records may be gone from an item; "" where it has one version alone."""
        versions = self._of(source, path)
        if len(versions) < 2:
            return ""
        ledger = self._ledgers[source]
        seen = hashlib.blake2b(digest_size=16)
        for one in versions:
            moments = (ledger.records[one.first].taken_at, ledger.records[one.last].taken_at)
            # of the newest version only its beginning counts: snapshots that add nothing change nothing
            said = moments[:1] if one is versions[-1] else moments
            seen.update(repr((one.digest, one.is_there, [moment.isoformat() for moment in said])).encode())
        return seen.hexdigest()

    def read(self, source: str, path: bytes, folder: Path) -> GoneRecords | None:
        """The records that are gone from an item; None where there are none. folder: private, for the database and the file,
        which the caller removes. Raises `Damaged` where a version cannot be read, `StorageError`."""
        versions = self._of(source, path)
        if len(versions) < 2:
            return None
        found = _Gone(folder / "gone.sqlite")
        try:
            self._look(source, versions, found)
            return self._written(source, versions, found, folder / "gone.jsonl")
        finally:
            found.close()

    def last_seen(self, source: str, paths: Collection[bytes]) -> dict[bytes, datetime]:
        """Of items that are gone: when the last snapshot was taken that had them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ledger = self._ledgers.get(source)
        if ledger is None or not paths:
            return {}
        wanted = pa.array(sorted(paths), pa.binary())
        over = window(ledger, Question(until=self._until))
        rows = timeline(ledger, lambda table: pc.is_in(table["path"], value_set=wanted), over)
        rows = rows.filter(rows["present"]).group_by("path").aggregate([("last", "max")])
        numbers = zip(rows["path"].to_pylist(), rows["last_max"].to_pylist(), strict=True)
        return {path: ledger.records[number].taken_at for path, number in numbers}

    def _of(self, source: str, path: bytes) -> Sequence[ItemVersion]:
        """The versions of an item up to the last one in which it is there."""
        versions = self._versions.get(source, {}).get(path, [])
        there = [place for place, one in enumerate(versions) if one.is_there]
        return versions[: there[-1] + 1] if there else []

    def _look(self, source: str, versions: Sequence[ItemVersion], found: _Gone) -> None:
        chunks = self._chunks(source, versions)
        key = self._keys(source, versions[0].path)
        before = ChunkNeighbours([])
        for place in range(len(versions)):
            self._stop()
            after = ChunkNeighbours(chunks[place])
            if place:
                found.went(_keyed(changed_lines(before, after, self._fetch), key), place - 1)
                found.came(_keyed(changed_lines(after, before, self._fetch), key), place)
                if found.count(place - 1):
                    self._without_moved(source, versions, place, found)
            before = after

    def _without_moved(self, source: str, own: Sequence[ItemVersion], place: int, found: _Gone) -> None:
        """A record whose time was corrected is in another item of the entity from the same snapshot on: it is not gone."""
        entity, key = entity_of(own[0].path), self._keys(source, own[0].path)
        for path, versions in self._versions[source].items():
            if path == own[0].path or entity_of(path) != entity:
                continue
            at = next((at for at, one in enumerate(versions) if one.first == own[place].first and one.is_there), None)
            if at is not None:
                *_, old, new = [
                    ChunkNeighbours([]),
                    *map(ChunkNeighbours, self._chunks(source, versions[max(0, at - 1) : at + 1])),
                ]
                found.went_elsewhere(_keyed(changed_lines(new, old, self._fetch), key), place - 1)

    def _chunks(self, source: str, versions: Sequence[ItemVersion]) -> list[Sequence[bytes]]:
        """The chunks of each version, out of the fewest manifests that have them all; none of one that is not there."""
        import pyarrow.compute as pc

        there = {place: one for place, one in enumerate(versions) if one.is_there}
        found: dict[bytes | None, Sequence[bytes]] = {}
        wanted = list({one.digest: one for one in there.values()}.values())
        path = versions[0].path
        for number, held in by_snapshot(wanted):
            self._stop()
            table = snapshots.read_manifest(self._meta, self._ledgers[source].records[number], columns=COLUMNS)
            rows = table.filter(pc.equal(table["path"], path)).combine_chunks()
            if rows.num_rows == 1:
                found.update((one.digest, _ids(rows)) for one in held)
        if len(found) < len(wanted):
            raise Damaged("a version of it is in no manifest that can be read")
        return [found[there[place].digest] if place in there else [] for place in range(len(versions))]

    def _written(self, source: str, versions: Sequence[ItemVersion], found: _Gone, file: Path) -> GoneRecords | None:
        records = self._ledgers[source].records
        deleted_at, seen_at = array("q"), array("q")
        with file.open("wb") as out:
            for place, changed, line in found.lines():
                first = versions[changed or 0].first
                full = (one for one in range(versions[place].last, first, -1) if _saw_everything(records[one].coverage))
                seen_at.append(_micros(records[next(full, first)].taken_at))
                deleted_at.append(_micros(records[versions[place + 1].first].taken_at))
                out.write(line + b"\n")
        return GoneRecords(file, deleted_at, seen_at) if len(deleted_at) else None

    def _fetch(self, chunks: Collection[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        located = self._index.locate(pa.array(sorted(chunks), pa.binary(ID_SIZE)))
        there = {place.chunk for place in chunk_places(located) if place.tier == CONTENT_TIER}
        for missing in set(chunks) - there:
            yield missing, Damaged("a part of its content is gone from the repository")
        references = located.filter(pc.is_valid(located["chunk"]))
        rows = pa.array(range(references.num_rows), pa.int64())
        references = references.append_column("row", rows).append_column("position", rows)
        for part in fetch(references, self._packs, self._stop, list):
            yield from ((use.place.chunk, content) for use, content in part)


class _Gone:
    """Records that a version had and the next one has not, by key."""

    def __init__(self, file: Path) -> None:
        file.unlink(missing_ok=True)
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("pragma journal_mode = off")
        self._database.execute("pragma synchronous = off")
        self._database.executescript(_TABLES)
        self._database.execute("begin")

    def close(self) -> None:
        """Nothing more is asked."""
        self._database.close()

    def went(self, lines: Iterator[tuple[str, bytes]], version: int) -> None:
        """The lines of a version that the next one has not."""
        rows = ((key, version, line) for key, line in lines)
        self._database.executemany("insert or replace into gone values (?, ?, ?)", rows)

    def came(self, lines: Iterator[tuple[str, bytes]], version: int) -> None:
        """What a version has that the one before has not, or has in other chunks alone."""
        for key, line in lines:
            before = self._database.execute("select version, line from gone where key = ?", (key,)).fetchone()
            self._database.execute("delete from gone where key = ?", (key,))
            if before != (version - 1, line):
                self._database.execute("insert or replace into seen values (?, ?)", (key, version))

    def went_elsewhere(self, lines: Iterator[tuple[str, bytes]], version: int) -> None:
        """What another item has instead, of those that are gone since a version."""
        rows = ((key, version) for key, _ in lines)
        self._database.executemany("delete from gone where key = ? and version = ?", rows)

    def count(self, version: int) -> int:
        """How many are gone since a version."""
        (found,) = self._database.execute("select count(*) from gone where version = ?", (version,)).fetchone()
        return int(found)

    def lines(self) -> Iterator[tuple[int, int | None, bytes]]:
        """The version that had each last, the one in which it was new or changed last, if that is known, and the record as it
        was there; by key."""
        yield from self._database.execute(
            "select gone.version, seen.version, line from gone left join seen using (key) order by gone.key"
        )


def _by_path(ledger: Ledger, until: datetime | None) -> dict[bytes, list[ItemVersion]]:
    """The versions of items of JSON Lines, by time; those whose content is the same are one."""
    import pyarrow.compute as pc

    rows = timeline(ledger, None, window(ledger, Question(until=until)))
    lines = pc.fill_null(pc.equal(rows["format"], JSON_LINES), pc.ends_with(rows["path"], b".jsonl"))
    rows = rows.filter(pc.and_(pc.equal(rows["type"], manifest.FILE), lines))
    names = ("path", "first", "last", "blake3", "present")
    found: dict[bytes, list[ItemVersion]] = {}
    for path, first, last, digest, present in zip(*(rows[one].to_pylist() for one in names), strict=True):
        own = found.setdefault(path, [])
        if own and (own[-1].digest, own[-1].is_there) == (digest, present):
            first = own.pop().first
        own.append(ItemVersion(path, first, last, digest, present))
    return found


def _keyed(lines: Iterator[bytes], stated: str) -> Iterator[tuple[str, bytes]]:
    """Lines with their records' keys; what is no record, or has no key, is passed over."""
    for line in lines:
        if line.isspace():
            continue
        key = _key(line.removeprefix(BYTE_ORDER_MARK), stated)
        if key:
            yield key.encode("utf-8", "replace").decode(), line


def _key(line: bytes, stated: str) -> str:
    """The id of the record that a line is; "" where it is none. It is read quickly, and with care where a number may have more
    digits than that keeps."""
    for quick in (True, False):
        try:
            value = orjson.loads(line) if quick else parse(line).value
        except orjson.JSONDecodeError:
            continue
        except Damaged:
            return ""
        if not isinstance(value, dict):
            return ""
        found = [value_at(value, name) for name in RecordId("").fields(value, stated)]
        if not (quick and any(isinstance(one, float) for one in found)):
            return next((text for text in map(id_text, found) if text), "")
    return ""


def _ids(row: pa.Table) -> list[bytes]:
    ids: list[bytes | None] = row["chunks"].combine_chunks().flatten().field("id").to_pylist()
    whole = [one for one in ids if one is not None]
    if len(whole) != len(ids):
        raise Damaged("it has holes")
    return whole


def _saw_everything(coverage: Coverage | None) -> bool:
    return coverage is None or coverage.deletions


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
