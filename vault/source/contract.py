"""What a backup may assume of a source, and what it may not.

A source is a place that items come from: a folder, a database, a bucket, the output of a command. Three things can be relied
on:

1. `Source.scan` gives a table of all items, sorted by path, and reads no content that it can do without. A source that cannot
   be reached, or answers something else than what it is, raises `SourceError`: it never gives an empty table. Folders and parts
   of which nothing is known are named in `unlisted`: what is below them has not vanished.
2. `SourceReader.contents` and `open_large` give the content of an item, from its first byte to its last, and know whether it
   is of one moment. What stops one item only is a `Problem`; what stops the whole source raises `SourceError`.
3. Equal content gives equal bytes, whenever it is read. What a source hands over is a standard file: a file's own bytes,
   Parquet for a table, the output of a program.

An item is unchanged when its row is that of the last scan. Two columns are there for this alone, the *version token*:

- `inode` changes when the content does. A folder has the file's inode there; others have a hash of what their interface tells
  versions apart by (`token_number` of an ETag, of a count and a hash of rows).
- `ctime_ns` is the moment from which on the token can be relied on: a file whose ctime lies within two seconds of a scan may
  change again and look the same. `STRONG` (0) is for tokens that change with every change, `NO_TOKEN` for an item about which
  nothing is known before it is read: it is read every time, and stays the version that it was where its content is the same.
  What changes with the attributes of an item alone, while its token is the same and strong, is an `attribute_token` there,
  where the scan says so: the item gets a new version with the content that it had, and only `read_attributes` is asked.

Not promised, and therefore stated by each source in its `Coverage`, which is stored with the snapshot:

- times. A source without times of its own gives any, and names `mtime` and `mtime_nanos` in `ignored`. An item then keeps the
  time at which its content was first seen.
- sizes. They may be `UNKNOWN_SIZE` until the item is read; then `size` is in `ignored`.
- what a source shows beside a content (owners on its server, sharing, content types): it is kept as attributes whose names
  begin with `attributes.SHOWN`. The token changes with what matters of it, or the coverage says that it does not.
- owners and modes. `NO_OWNER` is the number of a user or group where there is none. Numbers are this machine's, unless the
  scan has `owners` of its own.
- deletions, where a scan does not see everything; one moment for all items together.

A reader's paths are those of the scan: prefix, "/", relative path. One reader may be used by several threads at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self, TypeAlias

from msgspec import Struct, field

from vault.coverage import Coverage
from vault.problems import Problem
from vault.progress import Stop, never
from vault.rate_limits import RateLimits
from vault.source.attributes import Extended, OwnerNames
from vault.source.scan_columns import ScannedStatus

if TYPE_CHECKING:
    import pyarrow as pa

SMALL = 1024 * 1024
"""Bytes of an item that is read in one go, with others."""

STRONG = 0
NO_TOKEN = (1 << 63) - 1
"""Values of `ctime_ns`; see above."""

ATTRIBUTE_TOKENS = 1 << 40
"""Values of `ctime_ns` below this one are no moments: 1970 was over by then, for everything that a token is made of."""

UNKNOWN_SIZE = -1
NO_OWNER = -1

TO_THE_END = 1 << 62
"""Length of an extent of which only its end will tell how long it is."""

Status: TypeAlias = os.stat_result | ScannedStatus
ScanColumn = Literal["size", "mtime", "mtime_nanos", "ctime_ns", "inode"]


class Consistency(Enum):
    """Of what moment a content is. WHOLE: the file, of one moment · PREFIX: what a growing file had at first, of one moment ·
    MIXED: the file changed during each reading, and its content may be of several moments."""

    WHOLE = "whole"
    PREFIX = "prefix"
    MIXED = "mixed"


class Content(NamedTuple):
    """A small item: its bytes, the status they were read under, and its extended attributes."""

    data: bytes
    status: Status
    attributes: Extended
    consistency: Consistency = Consistency.WHOLE


class TooLarge(NamedTuple):
    """The item has holes, or is larger than small ones are: open it as a large one."""

    status: Status


class Extent(NamedTuple):
    """A run of bytes that an item really has; between extents it reads as zeros. length: `TO_THE_END` where it is not known."""

    offset: int
    length: int


class Skipped(Struct, frozen=True):
    """Something without content of its own: `what` is socket, pipe, block-device, device or other. Or something out of bounds:
    `scan.OWN` (left out), `scan.OTHER_FILE_SYSTEM` (a folder that is an item, and nothing in it is)."""

    path: bytes
    what: str


class MissingRight(Struct, frozen=True):
    """Something that these credentials may not do. path: what it is about, as in the scan's table; empty for the whole source ·
    message: what may not be done, in words."""

    path: bytes
    message: str


class Scan(Struct):
    """What a scan found.

    - `table`: the columns of `scan_columns.schema`, sorted bytewise by path, no nulls
    - `skipped`: what cannot be kept, or is out of bounds
    - `problems`: what could not be looked at (also a single item whose status is refused: its last good version is to be kept)
    - `unlisted`: folders whose content is unknown, wholly or in part: what a manifest has at or below these paths has *not*
      vanished
    - `excluded`: how many items the rules left out
    - `by_default`: how many of them no pattern of the settings did, by the default pattern
    - `ignored`: columns that say nothing of a change
    - `coverage`: what the source says of itself; None where it says nothing
    - `clock_difference`: seconds that the clock of the source's server was ahead of ours; None where that is not known
    - `is_remote`: contents cost requests over a network, so that what was read is worth remembering
    - `missing_rights`: what these credentials may not do; each of them is a problem, too
    - `rate_limits`: how many requests its server takes, and what it said of that; None where no requests are sent
    - `record_counts`: after a look at a source of which a scan would fetch everything: how many records there are, by entity;
      None for one of which that is not known
    - `owners`: names of users and groups where their numbers are those of a server; None where they are this machine's
    - `notes`: what else there is to know of the source, for people who test it
    - `attribute_tokens`: whether `ctime_ns` holds no moments, but tokens of attributes
    - `began`: when it began, where that was before it was asked for
    """

    table: pa.Table
    skipped: list[Skipped]
    problems: list[Problem]
    unlisted: list[bytes]
    excluded: int
    by_default: Counter[str]
    ignored: frozenset[ScanColumn] = frozenset()
    coverage: Coverage | None = None
    clock_difference: float | None = None
    is_remote: bool = False
    missing_rights: list[MissingRight] = field(default_factory=list)
    rate_limits: RateLimits | None = None
    record_counts: dict[str, int | None] | None = None
    owners: OwnerNames | None = None
    notes: tuple[str, ...] = ()
    attribute_tokens: bool = False
    began: datetime | None = None

    def keep_columns(self, *names: str) -> None:
        """Drop the other columns of the table."""
        self.table = self.table.select(list(names))

    def drop_rows(self) -> None:
        """Drop the rows of the table: a million of them take 100 MB."""
        self.table = self.table.slice(0, 0)


class Source(Protocol):
    """Where items come from; see this module's text."""

    def scan(self, stop: Stop) -> Scan:
        """All items. stop: called often; what it raises ends the scan. Raises `SourceError`."""
        ...

    def reader(self, stop: Stop = never) -> SourceReader:
        """A reader of the items that the last scan has found; the caller closes it. stop: called often by large streams while
        they wait; what it raises ends the reading. Raises `SourceError`."""
        ...

    def close(self) -> None:
        """Release what a scan has left open: a connection, a transaction. The source may be scanned again."""
        ...


class SourceReader(Protocol):
    """Gives the contents of items. Used by several threads at once."""

    @property
    def prefix(self) -> bytes:
        """What all paths begin with, without a slash."""
        ...

    @property
    def reopens(self) -> bool:
        """Whether an item can be opened a second time at little cost, so that one may look into it again."""
        ...

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """One answer a path, in order, one after another. limit: bytes, above which an item is `TooLarge`."""
        ...

    def open_large(self, path: bytes) -> ItemStream | Problem:
        """An item as a stream; the caller closes it."""
        ...

    def read_links(self, paths: Iterable[bytes]) -> list[bytes | Problem]:
        """Where each symbolic link points to."""
        ...

    def read_attributes(self, paths: Iterable[bytes]) -> list[Extended | Problem]:
        """What each item has beside its content."""
        ...

    def close(self) -> None:
        """The reader is not used afterwards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class ItemStream(Protocol):
    """The content of one item, read in order; it may be begun again at 0.

    - `path`: as in the scan's table
    - `status`: of what is read; the caller renews it with that of `status_now` before another reading. Where the size was not
      known, it is once the end was read

    Methods raise OSError where the item cannot be read, or turns out not to be whole.
    """

    path: bytes
    status: Status

    @property
    def descriptor(self) -> int:
        """Of a file with the content, for whoever reads it as `/dev/fd/…`; for a source elsewhere it is fetched into a file
        without a name."""
        ...

    def extents(self) -> Iterator[Extent]:
        """The runs of data, in order."""
        ...

    def readinto(self, buffer: bytearray | memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` (bytes); fewer bytes than it holds only where the content ends."""
        ...

    def attributes(self) -> Extended:
        """What the item has beside its content."""
        ...

    def status_now(self) -> Status:
        """The status by now: equal to `status` where what was read since then is of one moment."""
        ...

    def close(self) -> None:
        """The stream is not used afterwards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def token_number(token: bytes) -> int:
    """The version token of an item as the column `inode` holds it: 63 bits of a hash."""
    return int.from_bytes(blake2b(token, digest_size=8).digest(), "big") >> 1


def attribute_token(attributes: bytes) -> int:
    """What an item has beside its content as the column `ctime_ns` holds it; of nothing, and of b"\\0", it is `STRONG`."""
    if not attributes.strip(b"\0"):
        return STRONG
    return 1 + int.from_bytes(blake2b(attributes, digest_size=8).digest(), "big") % (ATTRIBUTE_TOKENS - 1)
