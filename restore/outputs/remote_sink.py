"""Files onto a server, over the protocol of `vault.source.remote.files`: each under a temporary name first, and renamed once it
is there whole.

What takes something's place does so only where that is still what the plan saw, by kind, size, time and token; it is looked at
again right before. Folders are made as they are needed, and get their times at the end. Small files go up several at once. A
connection that is cut is made again, and the file begun anew.
"""

from __future__ import annotations

import errno
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import IO

from blake3 import blake3

from restore.execution.verification import NO_CHECKSUM, NOT_THERE, OTHER_CONTENT, Verification
from restore.local_fs import Inspection, TargetItem
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.clock import Clock
from vault.errors import SourceError, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress
from vault.source.remote.files import FILE, FOLDER, LINK, RemoteEntry, RemoteFiles, joined
from vault.source.remote.patience import Patience

SMALL = 1024 * 1024
_CHANGED = "something was put there, or changed, since the plan was made; it was left alone"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_KINDS = {FILE: manifest.FILE, FOLDER: manifest.FOLDER, LINK: manifest.LINK}


@contextmanager
def target_errors() -> Iterator[None]:
    """What is said of a server, as an error of a destination."""
    try:
        yield
    except SourceError as error:
        raise TargetError(str(error), hint=error.hint) from error


def losses_of(files: RemoteFiles) -> tuple[str, ...]:
    """What the server cannot keep, in words. Raises `TargetError`."""
    with target_errors():
        return tuple(files.keeps().losses())


class RemotePlace:
    """What stands on the server, for a plan: a `restore.planning.destination.Destination`. seen: what was looked at, by path;
    a sink may be given it later, to know what the plan saw."""

    def __init__(self, files: RemoteFiles, clock: Clock, seen: dict[bytes, RemoteEntry] | None = None) -> None:
        self._files = files
        self._patience = Patience(clock)
        self._folders: dict[bytes, dict[bytes, RemoteEntry] | None] = {}
        self.seen = {} if seen is None else seen

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """Folders are listed once, whatever is asked of them; one that is not there has nothing in it."""
        found: dict[bytes, str] = {}
        with target_errors():
            for path in paths:
                entry = self.entry(path)
                if entry is not None:
                    self.seen[path] = entry
                    found[path] = entry.kind
                elif self._is_blocked(path):
                    found[path] = "blocked"
        return found

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """As the server says."""
        with target_errors():
            entries = {path: self.entry(path) for path in paths}
        return {path: entry.mtime_ns for path, entry in entries.items() if entry is not None}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """A file of the same size is fetched and compared; times and modes are not."""
        for item in items:
            try:
                with target_errors():
                    yield Inspection(same=self._holds(item))
            except OSError as error:
                yield Inspection(same=False, unreadable=error.strerror or str(error))

    def entry(self, path: bytes) -> RemoteEntry | None:
        """What stands at a path. Raises `SourceError`."""
        folder, _, name = path.rpartition(b"/")
        if folder not in self._folders:
            above = self.entry(folder) if folder else None
            is_folder = not folder or (above is not None and above.kind == FOLDER)
            self._folders[folder] = self._listed(folder) if is_folder else None
        return (self._folders[folder] or {}).get(name)

    def _listed(self, folder: bytes) -> dict[bytes, RemoteEntry] | None:
        try:
            return {one.name: one for one in self._patience.ask(lambda: self._files.list_folder(folder))}
        except FileNotFoundError:
            return None
        except OSError as error:
            where = f"{self._files.text}: {printable(folder)}" if folder else self._files.text
            raise SourceError(f"{where} cannot be listed: {error.strerror}", hint="give the user the right to it") from error

    def _is_blocked(self, path: bytes) -> bool:
        """Whether something that is no folder stands where one above would be."""
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            entry = self.entry(path)
            if entry is not None:
                return entry.kind != FOLDER
        return False

    def _holds(self, item: TargetItem) -> bool:
        entry = self.entry(item.path)
        if entry is None or _KINDS.get(entry.kind) != item.kind:
            return False
        if item.kind == manifest.LINK:
            return self._patience.ask(lambda: self._files.read_link(item.path)) == item.points_to
        if item.kind == manifest.FOLDER:
            return True
        return entry.size == item.size and item.digest is not None and self.digest(item.path) == item.digest

    def digest(self, path: bytes) -> bytes:
        """BLAKE3 of a file. Raises OSError where it cannot be had whole, `SourceError`."""
        return self._patience.ask(lambda: _digest(self._files, path))


def _digest(files: RemoteFiles, path: bytes) -> bytes:
    found = blake3()
    for piece in files.pieces(path):
        found.update(piece)
    return found.digest()


@contextmanager
def remote_sink(files: RemoteFiles, place: RemotePlace, clock: Clock) -> Iterator[RemoteSink]:
    """A sink that writes files. place: with what the plan has seen."""
    with target_errors(), ThreadPoolExecutor(files.max_parallel, thread_name_prefix="send") as pool:
        try:
            yield RemoteSink(files, place, clock, pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class RemoteSink:
    """See this module's text."""

    def __init__(self, files: RemoteFiles, place: RemotePlace, clock: Clock, pool: ThreadPoolExecutor) -> None:
        self._files = files
        self._place = place
        self._clock = clock
        self._patience = Patience(clock)
        self._pool = pool
        self._waiting: deque[Future[list[Problem]]] = deque()
        self._folders: set[bytes] = {b""}
        self._made: dict[bytes, OutputEntry | None] = {}
        self._sent: dict[bytes, int] = {}

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder, and those above it."""
        reason = self._made_folder(path)
        if path in self._made:
            self._made[path] = entry
        return [Problem(path, "unwritable", reason)] if reason else []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A symbolic link, where the server has such."""
        if not self._files.keeps().links:
            return [Problem(path, "not-carried", f"the server holds no links; it points to {printable(points_to)}")]
        reason = self._made_folder(path.rpartition(b"/")[0])
        if reason:
            return [Problem(path, "unwritable", reason)]

        def make(half: bytes) -> None:
            with suppress(FileNotFoundError):
                self._files.remove(half)
            self._files.make_link(half, points_to)

        return self._put(path, make, LINK, 0, replace=replace)

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file."""
        if item.content is None:
            return []
        reason = self._made_folder(item.path.rpartition(b"/")[0])
        if reason:
            return [Problem(item.path, "unwritable", reason)]
        if item.size > SMALL:
            return self._put_file(item.path, item.content, item.size, entry, replace=replace)
        body = io.BytesIO(item.content.read())
        self._waiting.append(self._pool.submit(self._put_file, item.path, body, item.size, entry, replace=replace))
        return self._waiting.popleft().result() if len(self._waiting) > 2 * self._files.max_parallel else []

    def finish(self) -> list[Problem]:
        """Wait for what is on its way, set the times of folders, and look whether everything stands under its name: some
        servers change names."""
        problems = []
        while self._waiting:
            problems += self._waiting.popleft().result()
        problems += self._finished_folders()
        place = RemotePlace(self._files, self._clock)
        for path, size in self._sent.items():
            entry = place.entry(path)
            if entry is None or entry.size != size:
                problems.append(Problem(path, "unwritable", "the server took it, and does not list it under its name"))
        return problems

    def _put_file(self, path: bytes, content: IO[bytes], size: int, entry: OutputEntry, *, replace: bool) -> list[Problem]:
        attributes = entry.attributes

        def make(half: bytes) -> None:
            self._files.write(half, content, attributes.mtime_ns, attributes.mode)

        problems = self._put(path, make, FILE, size, replace=replace)
        if not problems:
            self._sent[path] = size
        return problems

    def _put(self, path: bytes, make: Callable[[bytes], None], kind: str, size: int, *, replace: bool) -> list[Problem]:
        """Make it under a temporary name, and give it its own."""
        half, moving = _temporary(path), False

        def once() -> str:
            nonlocal moving
            if moving and self._has_arrived(half, path, kind, size):
                return ""  # the connection was cut after the server had heard of it
            make(half)
            there = self._files.status(half)
            if there.kind != kind or (kind == FILE and there.size != size):
                return "the server did not take it whole"
            if not self._is_as_planned(path, replace=replace):
                return _CHANGED
            moving = True
            self._files.rename(half, path, replace=replace)
            return ""

        try:
            reason = self._patience.ask(once)
        except FileExistsError:
            reason = _CHANGED
        except OSError as error:
            if error.errno in _FULL:
                raise TargetError(f"{self._files.text} has no room left", hint="make room and run it again") from error
            reason = f"it cannot be written: {error.strerror or error}"
        if reason:
            with suppress(OSError, SourceError):
                self._files.remove(half)
        return [Problem(path, "unwritable", reason)] if reason else []

    def _has_arrived(self, half: bytes, path: bytes, kind: str, size: int) -> bool:
        if self._look(half) is not None:
            return False
        there = self._look(path)
        return there is not None and there.kind == kind and (kind != FILE or there.size == size)

    def _is_as_planned(self, path: bytes, *, replace: bool) -> bool:
        """Whether what stands at a path is what the plan saw there, and may be replaced."""
        now = self._look(path)
        if now is None:
            return True
        seen = self._place.seen.get(path)
        return replace and (seen is None or now.is_version_of(seen))

    def _look(self, path: bytes) -> RemoteEntry | None:
        try:
            return self._files.status(path)
        except FileNotFoundError:
            return None

    def _made_folder(self, path: bytes) -> str:
        """What is wrong, or nothing."""
        if path in self._folders:
            return ""
        entry = self._place.entry(path)
        if entry is None:
            reason = self._made_folder(path.rpartition(b"/")[0])
            if reason:
                return reason
            try:
                self._patience.ask(lambda: self._files.make_folder(path))
            except FileExistsError:
                pass
            except OSError as error:
                return f"its folder {printable(path)} cannot be made: {error.strerror or error}"
            self._made[path] = None
        elif entry.kind != FOLDER:
            return f"its folder {printable(path)} is a {entry.kind} there"
        self._folders.add(path)
        return ""

    def _finished_folders(self) -> Iterator[Problem]:
        """The deepest first: what is made in a folder changes its time."""
        keeps = self._files.keeps()
        for path, entry in sorted(self._made.items(), reverse=True):
            if entry is None or not keeps.of_folders or not (keeps.times or keeps.modes):
                continue
            wanted = entry.attributes
            try:
                self._patience.ask(lambda path=path, wanted=wanted: self._set(path, wanted.mtime_ns, wanted.mode))  # type: ignore[misc]
            except OSError as error:
                yield Problem(path, "attributes", f"its time and mode could not be set: {error.strerror or error}")

    def _set(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        self._files.set_attributes(path, mtime_ns, mode)


def _temporary(path: bytes) -> bytes:
    name = b".strongroom-" + blake2b(path, digest_size=8).hexdigest().encode() + b".part"
    return joined(path.rpartition(b"/")[0], name)


def verify_remote(
    files: RemoteFiles,
    clock: Clock,
    items: Iterable[TargetItem],
    stop: Callable[[], None],
    progress: Progress | None = None,
) -> Verification:
    """Fetch every file that was written for these items, several at once, and compare its content. Raises `TargetError`."""
    progress, found, place = progress or NoProgress(), Verification("server"), RemotePlace(files, clock)
    wanted = [item for item in items if item.kind == manifest.FILE]
    progress.phase("verifying", items=len(wanted), size=sum(item.size for item in wanted))

    def digest(item: TargetItem) -> bytes | None:
        try:
            return place.digest(item.path) if item.digest is not None else None
        except OSError:
            return None

    with target_errors(), ThreadPoolExecutor(files.max_parallel, thread_name_prefix="verify") as pool:
        for item, read in zip(wanted, pool.map(digest, wanted), strict=True):
            stop()
            if item.digest is None or read is None:
                found.differ(item.path, NO_CHECKSUM if item.digest is None else NOT_THERE)
            elif read != item.digest:
                found.differ(item.path, OTHER_CONTENT)
            else:
                found.agree(item)
            progress.advance(items=1, size=item.size)
    return found
