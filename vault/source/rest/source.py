"""A REST interface as a source: records as JSON Lines by the period of their creation, their attachments, dictionaries.

A scan brings the mirror of this machine up to date, resource by resource, and lists what it has; contents are read from the
mirror, attachments from the interface. A resource that could not be read is a problem, and its items stay as they were.
"""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import Stop, never
from vault.source.attributes import NOTHING
from vault.source.contract import UNKNOWN_SIZE, Content, Scan, ScanColumn, TooLarge
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.rest.attachment_reader import AttachmentReader
from vault.source.rest.attachments import FOLDER
from vault.source.rest.client import Forbidden, Nonsense, NotThere, RestClient
from vault.source.rest.description import Description, Resource
from vault.source.rest.listing_pass import ReadingContext
from vault.source.rest.mirror import Mirror
from vault.source.rest.reading import ResourceReading
from vault.source.sql.layout import UNDATED, Step
from vault.source.streams import SequentialStream, StreamReader
from vault.wording import counted

IGNORED: frozenset[ScanColumn] = frozenset({"size", "mtime", "mtime_nanos"})
MIRROR = "mirror.sqlite"
PIECE = 1 << 20
OF_ONE_RESOURCE = (Nonsense, Forbidden, NotThere)


class RestOptions(Struct, frozen=True):
    """What of an interface is taken, and how.

    - `description`, `base`: the interface, with a slash at the end of its address
    - `state`: the folder of the mirror; None for one that is dropped with the source
    - `resources`: names; empty for all
    - `zone`, `step`: of periods
    - `full_every`: seconds between full scans
    - `rules`: patterns of items that are left out
    - `sample`: a scan looks at the first records of each resource alone
    """

    description: Description
    base: str
    state: Path | None
    resources: tuple[str, ...] = ()
    zone: str = "UTC"
    step: Step = "month"
    full_every: float = 86_400.0
    rules: Rules = Rules()
    sample: bool = False

    @property
    def chosen(self) -> dict[str, Resource]:
        """The resources that are taken."""
        return {name: one for name, one in self.description.resources.items() if not self.resources or name in self.resources}

    @property
    def fingerprint(self) -> str:
        """Of all that the content of a mirror depends on."""
        from blake3 import blake3

        read = {name: replace(one, create=None) for name, one in self.description.resources.items()}
        parts = [msgspec.json.encode(read), self.base, self.zone, self.step, self.description.time_zone]
        return blake3(msgspec.json.encode(parts)).hexdigest(length=16)


class RestSource:
    """See this module's text."""

    def __init__(self, options: RestOptions, client: RestClient, prefix: bytes, clock: Clock) -> None:
        self.options = options
        self.client = client
        self.prefix = prefix
        self._clock = clock
        self._mirror: Mirror | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._listed: dict[bytes, ListedItem] = {}

    def scan(self, stop: Stop) -> Scan:
        """Bring the mirror up to date, and list it. Raises `SourceError`, `Busy` where another process reads this source."""
        try:
            return self._scanned(stop)
        except sqlite3.OperationalError as error:
            raise SourceError(f"the mirror cannot be kept: {error}", hint="free some room in the state folder") from error
        except sqlite3.DatabaseError:
            self._drop_mirror()
        try:
            return self._scanned(stop)  # it was damaged: everything is read again
        except sqlite3.Error as error:
            raise SourceError(f"the mirror cannot be kept: {error}", hint="look at the disk with the state folder") from error

    def _drop_mirror(self) -> None:
        """Damaged, it is worth nothing."""
        self.close()
        if self.options.state is not None:
            for suffix in ("", "-wal", "-shm"):
                (self.options.state / f"{MIRROR}{suffix}").unlink(missing_ok=True)

    def _scanned(self, stop: Stop) -> Scan:
        self.close()
        stop()
        self.client.use_stop(stop)
        mirror = self._mirror = self._opened(stop)
        mirror.forget_others(list(self.options.description.resources))
        context = self._context(mirror, stop)
        readings = {name: ResourceReading(context, name, one) for name, one in self.options.chosen.items()}
        failed: dict[str, SourceError] = {}
        for name, reading in readings.items():
            stop()
            try:
                if self.options.sample:
                    reading.sample()
                else:
                    reading.run()
            except OF_ONE_RESOURCE as error:
                failed[name] = error
        mirror.commit()
        if failed and len(failed) == len(readings):
            raise next(iter(failed.values()))
        found = ItemList(self.prefix, int(self._clock.now().timestamp()) * 1_000_000_000)
        for name, reading in readings.items():
            found.problems += reading.problems
            if name in failed:
                self._unknown(found, name, failed[name])
            else:
                self._list(found, mirror, name)
        scan = found.scan(IGNORED, self._coverage(readings, failed))
        scan.is_remote = True
        scan.clock_difference, scan.rate_limits = self.client.clock_difference, self.client.pace.limits()
        if self.options.sample:
            scan.notes = tuple(note for reading in readings.values() for note in reading.notes)
            scan.record_counts = {name: reading.total for name, reading in readings.items()}
        return scan

    def reader(self, stop: Stop = never) -> RestReader:
        """Reads what the scan has listed; without a scan, one is made."""
        if self._mirror is None:
            self.scan(stop)
        self.client.use_stop(stop)
        return RestReader(self)

    def close(self) -> None:
        """Close the mirror and the connections."""
        mirror, self._mirror = self._mirror, None
        if mirror is not None:
            mirror.close()
        self.client.close()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    @property
    def mirror(self) -> Mirror:
        """Raises `SourceError` where it is closed."""
        if self._mirror is None:
            raise SourceError("the mirror is not open any more")
        return self._mirror

    def listed(self, path: bytes) -> ListedItem | None:
        """What the scan has listed under a relative path."""
        return self._listed.get(path)

    def _opened(self, stop: Stop) -> Mirror:
        folder = self.options.state
        if folder is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="strongroom-")
            folder = Path(self._scratch.name)
        return Mirror.open(folder / MIRROR, self.options.fingerprint, self._clock, stop)

    def _context(self, mirror: Mirror, stop: Stop) -> ReadingContext:
        options = self.options
        zones = ZoneInfo(options.zone), ZoneInfo(options.description.time_zone)
        return ReadingContext(self.client, mirror, self._clock, stop, self.prefix, *zones, options.step, options.full_every)

    def _unknown(self, found: ItemList, name: str, error: SourceError) -> None:
        """Nothing is known of a resource: neither of its folder nor of its one item."""
        path = name.encode()
        found.unknown(path, str(error), denied=isinstance(error, Forbidden))
        resource = self.options.description.resources[name]
        if not resource.time:
            found.unlisted.append(found.whole(path + b".jsonl"))

    def _list(self, found: ItemList, mirror: Mirror, name: str) -> None:
        resource, now = self.options.description.resources[name], int(self._clock.now().timestamp()) * 1_000_000_000
        for item in mirror.items(name):
            path = f"{name}/{item.label}.jsonl" if item.label else f"{name}.jsonl"
            self._add(found, ListedItem(path.encode(), item.size, now, item.token + path.encode()))
            if item.label == UNDATED and not resource.time_may_be_missing:
                which = counted(item.records, "record has", "records have")
                text = (
                    f"{which} no {resource.time!r} that is a time: say time_may_be_missing in the description if that is right"
                )
                found.problems.append(Problem(found.whole(path.encode()), "unusable-record", text))
        if resource.attachments is not None:
            for one in mirror.attachments(name):
                path = f"{name}/{FOLDER}/{one.path}"
                self._add(found, ListedItem(path.encode(), UNKNOWN_SIZE, now, one.token))

    def _add(self, found: ItemList, item: ListedItem) -> None:
        if not self.options.rules.takes(item.path):
            found.excluded += 1
        elif found.file(item):
            self._listed[item.path] = item

    def _coverage(self, readings: dict[str, ResourceReading], failed: dict[str, SourceError]) -> Coverage:
        entities, gaps = [], list(self.options.description.notes)
        for name, reading in readings.items():
            resource = reading.resource
            entities.append(CoveredEntity(name, (), resource.key))
            if name not in failed and not reading.full:
                seen = resource.incremental is not None and resource.incremental.shows_deletions
                deleted = "deleted ones are among them" if seen else "what was deleted is seen by the next full scan"
                gaps.append(f"{name}: what was modified since the last run; {deleted}")
            if resource.children:
                children = ", ".join(resource.children)
                gaps.append(f"{name}: {children} are of the moment at which each record was read")
                if resource.incremental is not None:
                    gaps.append(f"{name}: {children} that change without a modification of their record: by full scans alone")
            if reading.with_secret:
                gaps.append(f"{name}: the secret, which the interface repeats in records, stands there as …")
            texts = [f"{child}.{one}" for child, of in resource.children.items() for one in of.base64_text]
            if texts:
                gaps.append(f"{name}: {', '.join(texts)} are the texts that the interface encodes as base64")
            dropped = [*resource.drop, *(f"{child}.{one}" for child, of in resource.children.items() for one in of.drop)]
            if dropped:
                gaps.append(f"{name}: without {', '.join(dropped)}, which change by themselves")
        if self.options.sample:
            gaps = [gap for gap in gaps if "since the last run" not in gap]
        full = not self.options.sample and not failed and all(reading.full for reading in readings.values())
        return Coverage("rest", tuple(entities), tuple(gaps), times=False, deletions=full)


class RestReader(StreamReader):
    """Reads items of records out of the mirror, and attachments from the interface."""

    def __init__(self, source: RestSource) -> None:
        super().__init__(source.prefix)
        self._source = source
        self._attachments = AttachmentReader(source.client)

    def close(self) -> None:
        """Close the connections to other hosts."""
        self._attachments.close()
        super().close()

    def open_large(self, path: bytes) -> SequentialStream | Problem:
        """An item, from its beginning."""
        relative = self._relative(path)
        item = self._source.listed(relative)
        if item is None:
            return Problem(path, "vanished-while-read", "the interface has no such records")
        name, _, below = relative.decode().removesuffix(".jsonl").partition("/")
        if below.startswith(f"{FOLDER}/"):
            return self._attachment(path, name, relative.decode().partition(f"/{FOLDER}/")[2], item)
        mirror = self._source.mirror
        return SequentialStream(path, item.status(), lambda: _generated(mirror.line_pieces(name, below, PIECE)))

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        """Attachments say their size by their end alone."""
        stream = self.open_large(path)
        if isinstance(stream, Problem):
            return stream
        with stream:
            if stream.status.st_size > limit:
                return TooLarge(stream.status)
            size = stream.status.st_size
            buffer = bytearray(limit + 1 if size == UNKNOWN_SIZE else size + 1)
            try:
                count = stream.readinto(buffer, 0)
            except OSError as error:
                return Problem(path, "unreadable", f"it cannot be read: {error.strerror}")
            if size == UNKNOWN_SIZE and count > limit:
                return TooLarge(stream.status)
            return Content(bytes(memoryview(buffer)[:count]), stream.status, NOTHING)

    def _attachment(self, path: bytes, name: str, below: str, item: ListedItem) -> SequentialStream | Problem:
        try:
            stored = self._source.mirror.attachment(name, below)
        except sqlite3.Error as error:
            return Problem(path, "unreadable", f"the mirror cannot be read: {error}")
        if stored is None:
            return Problem(path, "vanished-while-read", "its record was deleted while the backup ran")
        wanted = self._source.options.description.resources[name].attachments
        if wanted is None:
            return Problem(path, "vanished-while-read", "the description names no attachments any more")
        return SequentialStream(path, item.status(), lambda: self._attachments.pieces(wanted, stored))


def _generated(pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    """What the mirror has. Raises OSError where it cannot be read."""
    try:
        yield from pieces
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"the mirror cannot be read: {error}") from error
