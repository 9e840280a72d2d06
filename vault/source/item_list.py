"""The table of a scan for sources that are no folders: items are added one by one, in any order."""

from __future__ import annotations

import stat
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from vault.errors import SourceError
from vault.problems import Problem
from vault.source.contract import NO_OWNER, STRONG, MissingRight, Scan, ScanColumn, token_number
from vault.source.scan_columns import FOLDER, Columns, ScannedStatus

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.coverage import Coverage

_FILE_MODE, _FOLDER_MODE = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755
LONGEST_PATH = 4096
"""Bytes of an item's path."""


class ListedItem(NamedTuple):
    """An item as its source lists it.

    - `path`: relative, bytes, clean
    - `size`: bytes of content, or `UNKNOWN_SIZE`
    - `mtime_ns`: nanoseconds since 1970
    - `token`: changes when the content does
    - `trusted_from`: nanoseconds since 1970 from which on the token can be relied on; `STRONG`, `NO_TOKEN`
    """

    path: bytes
    size: int
    mtime_ns: int
    token: bytes = b""
    trusted_from: int = STRONG

    def status(self, mode: int = _FILE_MODE) -> ScannedStatus:
        """As a reader gives it."""
        return ScannedStatus(
            self.size, self.mtime_ns, self.trusted_from, token_number(self.token), 0, mode, NO_OWNER, NO_OWNER, 1
        )


class ItemList:
    """Collects the items of a source. prefix: what the paths of its items begin with; it is the path of the source's own
    folder."""

    def __init__(self, prefix: bytes, mtime_ns: int, token: bytes = b"") -> None:
        """mtime_ns, token: of the source's own folder."""
        self._prefix = prefix
        self._columns = Columns()
        self._seen: set[bytes] = set()
        self.problems: list[Problem] = []
        self.unlisted: list[bytes] = []
        self.missing_rights: list[MissingRight] = []
        self.excluded = 0
        self.folder(b"", mtime_ns, token)

    def file(self, item: ListedItem) -> bool:
        """One more file; whether it is one: a path that no snapshot can hold is a problem."""
        path = self.whole(item.path)
        if not self._is_possible(item.path):
            self.problems.append(Problem(path, "unusable-path", "a name like this cannot be kept: it was left out"))
            return False
        self._columns.add(path, item.status())
        return True

    def add(self, path: bytes, status: ScannedStatus) -> bool:
        """One more item of any type, with its status; whether it is one, as with `file`."""
        whole = self.whole(path)
        if not self._is_possible(path):
            self.problems.append(Problem(whole, "unusable-path", "a name like this cannot be kept: it was left out"))
            return False
        self._columns.add(whole, status)
        return True

    def folder(self, path: bytes, mtime_ns: int, token: bytes = b"") -> None:
        """One more folder. path: relative, empty for the source's own."""
        if path and not self._is_possible(path):
            return
        self._seen.add(path)
        self._columns.add(self.whole(path), ListedItem(path, 0, mtime_ns, token).status(_FOLDER_MODE))

    def unknown(self, path: bytes, message: str, *, denied: bool = False) -> None:
        """What is below a folder could not be looked at. denied: because these credentials may not."""
        whole = self.whole(path)
        self.unlisted.append(whole)
        self.problems.append(Problem(whole, "unlisted", message))
        if denied:
            self.missing_rights.append(MissingRight(whole, message))

    def scan(self, ignored: frozenset[ScanColumn], coverage: Coverage, *, beside_files: bool = False) -> Scan:
        """All of them; the list is spent afterwards. beside_files: whether the source may have a folder of a file's name, which
        is left out then. Raises `SourceError` where a path stands twice: the source cannot be what it says."""
        table = self._columns.table()
        if beside_files:
            table = _without_folders_beside_files(table)
        if table.num_rows != len(table["path"].unique()):
            raise SourceError("the source lists a name twice", hint="give its items names of their own")
        found = Scan(table, [], self.problems, self.unlisted, self.excluded, Counter(), ignored, coverage)
        found.missing_rights = self.missing_rights
        return found

    def whole(self, path: bytes) -> bytes:
        """A path with the prefix of the source."""
        return self._prefix + b"/" + path if path else self._prefix

    def _is_possible(self, path: bytes) -> bool:
        parts = path.split(b"/")
        return len(path) <= LONGEST_PATH and b"\0" not in path and not any(part in (b"", b".", b"..") for part in parts)


def _without_folders_beside_files(table: pa.Table) -> pa.Table:
    """A scan's table; of a file and a folder of one name, the file stays."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_folder = pc.equal(table["type"], pa.scalar(FOLDER, pa.uint8()))
    folders, files = (table["path"].filter(mask).combine_chunks() for mask in (is_folder, pc.invert(is_folder)))
    twice = files.filter(pc.is_in(files, value_set=folders))  # few folders, many files
    if not len(twice):
        return table
    return table.filter(pc.invert(pc.and_(is_folder, pc.is_in(table["path"], value_set=twice))))
