"""A moment beside a source as it is now: what a backup would find, without making one.

The source is scanned and compared with the snapshot's manifest as a backup compares it. Only files that look touched and kept
their size are read: their hash says whether the content is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from restore.history import versions
from restore.history.diff import compared
from restore.history.ledger import Mask
from vault.backup import comparison as backup_comparison
from vault.backup.manifest_rows import Unvanished
from vault.backup.run import Source
from vault.errors import SourceError
from vault.format import manifest
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository.catalog_chunks import MetaReader
from vault.source.contract import UNKNOWN_SIZE, ScanColumn, SourceReader

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 1 << 20


def compared_with_live(
    reader: MetaReader, record: Record, source: Source, mask: Mask | None, stop: Callable[[], None]
) -> tuple[pa.Table, list[Problem]]:
    """The rows of a `diff.Difference`, from a snapshot of a source to what it has now, and what could not be looked at there:
    that is no difference. Raises `SourceError`, `Damaged`."""
    with closing(source.origin):
        return _compared_with_live(reader, record, source, mask, stop)


def _compared_with_live(
    reader: MetaReader, record: Record, source: Source, mask: Mask | None, stop: Callable[[], None]
) -> tuple[pa.Table, list[Problem]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = source.scan(stop)
    data = reader.read(record.manifest, f"the manifest of snapshot {record.id}")
    last = versions.of_manifest(data)
    comparison = backup_comparison.compare(
        found.table, manifest.decode(data, columns=backup_comparison.COLUMNS), record.taken_at, found.ignored
    )
    before = last.filter(pc.is_null(last["vanished_at"]))
    looked_at = _Look(source, before, found.ignored, stop)
    touched = looked_at.at(found.table.take(comparison.fresh))
    after = pa.concat_tables([last.take(comparison.kept_from), touched]).sort_by("path").combine_chunks()
    if mask is not None:
        before, after = before.filter(mask(before)), after.filter(mask(after))
    problems = [*found.problems, *looked_at.problems]
    unseen = Unvanished(frozenset(), frozenset(found.unlisted) | {problem.path for problem in problems})
    seen_before, seen_after = (side.filter(pc.invert(unseen.mask(side["path"]))) for side in (before, after))
    return compared(source.name, seen_before, seen_after), problems


@contextmanager
def live_file(source: Source, path: bytes) -> Iterator[Path]:
    """A file with what a source has at a path now. Raises `SourceError`, OSError."""
    with closing(source.origin), source.origin.reader() as reader:
        file = reader.open_large(path)
        if isinstance(file, Problem):
            raise SourceError(file.message)
        with file:
            yield Path(f"/dev/fd/{file.descriptor}")


class _Look:
    """Rows of versions for what looks touched. before: the items at the snapshot, by path."""

    def __init__(self, source: Source, before: pa.Table, ignored: frozenset[ScanColumn], stop: Callable[[], None]) -> None:
        self._source = source
        self._before = before
        self._ignored = ignored
        self._stop = stop
        self.problems: list[Problem] = []

    def at(self, touched: pa.Table) -> pa.Table:
        """touched: rows of a scan."""
        import pyarrow as pa
        import pyarrow.compute as pc

        where = pc.index_in(touched["path"].combine_chunks(), value_set=self._before["path"].combine_chunks())
        was = self._before.take(where)
        types = [backup_comparison.TYPES[code] for code in touched["type"].to_pylist()]
        columns = {name: was[name] for name in versions.schema().names}
        columns |= {name: touched[name] for name in ("path", "size", "mtime", "mtime_nanos", "mode", "uid", "gid")}
        steady = pa.array([kind == manifest.FOLDER for kind in types], pa.bool_())
        for name in ("mtime", "mtime_nanos"):
            columns[name] = pc.if_else(steady, pa.scalar(0, touched[name].type), touched[name])
        sizes = touched["size"].to_pylist()
        hashes, targets, extended = self._contents(touched["path"].to_pylist(), types, sizes, was)
        columns["size"] = pa.array(sizes, pa.int64())
        if "mtime" in self._ignored:  # an item has the time at which its content was first seen
            columns |= {name: pc.coalesce(was[name], touched[name]) for name in ("mtime", "mtime_nanos")}
        count = len(types)
        columns |= {
            "kind": pa.repeat(pa.scalar(self._source.kind), count),
            "type": pa.array(types, pa.string()),
            "blake3": pa.array(hashes, versions.schema().field("blake3").type),
            "link_target": pa.array(targets, pa.binary()),
            "extended": pa.array(extended, versions.schema().field("extended").type),
            "vanished_at": pa.nulls(count, versions.schema().field("vanished_at").type),
            "consistency": pa.nulls(count, pa.string()),
            "seen_at": pc.coalesce(was["seen_at"], pa.scalar(0, versions.schema().field("seen_at").type)),
            "first": pa.repeat(pa.scalar(0, pa.int32()), count),
            "last": pa.repeat(pa.scalar(0, pa.int32()), count),
        }
        return pa.table([columns[name] for name in versions.schema().names], schema=versions.schema())

    def _contents(
        self, paths: Sequence[bytes], types: Sequence[str], sizes: list[int], was: pa.Table
    ) -> tuple[list[bytes | None], list[bytes | None], list[bytes | None]]:
        """Hash, link target and digest of extended attributes of each; looked at only where they can decide. sizes: those that
        are not known are put in."""
        hashes: list[bytes | None] = []
        targets: list[bytes | None] = []
        extended: list[bytes | None] = []
        before = zip(was["type"].to_pylist(), was["size"].to_pylist(), strict=True)
        with self._source.origin.reader(self._stop) as reader:
            for row, (path, kind, (type_before, size_before)) in enumerate(zip(paths, types, before, strict=True)):
                self._stop()
                undecided = kind == type_before and sizes[row] in (size_before, UNKNOWN_SIZE)
                digest, size = self._hash(reader, path) if undecided and kind == manifest.FILE else (None, sizes[row])
                hashes.append(digest)
                sizes[row] = max(size, 0) if sizes[row] == UNKNOWN_SIZE else sizes[row]
                targets.append(self._target(reader, path) if kind == manifest.LINK else None)
                extended.append(self._extended(reader, path) if undecided and kind != manifest.LINK else None)
        return hashes, targets, extended

    def _hash(self, reader: SourceReader, path: bytes) -> tuple[bytes | None, int]:
        """Of a content, and how many bytes it has; None and 0 where it cannot be read."""
        file = reader.open_large(path)
        if isinstance(file, Problem):
            self.problems.append(file)
            return None, 0
        digest, buffer, at = blake3(), bytearray(_AT_ONCE), 0
        try:
            with file:
                while count := file.readinto(buffer, at):
                    self._stop()
                    digest.update(memoryview(buffer)[:count])
                    at += count
        except OSError as error:
            self.problems.append(Problem(path, "unreadable", f"it cannot be read: {error.strerror}"))
            return None, 0
        return digest.digest(), at

    def _target(self, reader: SourceReader, path: bytes) -> bytes | None:
        answer = reader.read_links([path])[0]
        if isinstance(answer, Problem):
            self.problems.append(answer)
            return None
        return answer

    def _extended(self, reader: SourceReader, path: bytes) -> bytes | None:
        answer = reader.read_attributes([path])[0]
        if isinstance(answer, Problem):
            self.problems.append(answer)
            return None
        return versions.digest_of(answer.values) if answer.values else None
