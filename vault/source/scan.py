"""Scanning: a folder tree becomes a table of metadata.

Folders are visited one after another, newest find first, by one thread (more threads are slower: the work is the
kernel's and Python's, and both take turns). Links are items and never followed. A file system mounted inside the tree
is walked like any other folder, unless the bounds say otherwise. What appears or vanishes meanwhile is either in the
table or not; the reader finds out.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from collections import Counter
from pathlib import Path

from msgspec import Struct, field

from vault.errors import SourceDenied, SourceError, UsageError
from vault.problems import Problem, printable
from vault.progress import Stop, release_memory
from vault.source.contract import MissingRight, Scan, Skipped
from vault.source.folder_descent import SUPPORTED, Descent
from vault.source.patterns import HEADS, TAILS, Rules
from vault.source.scan_columns import BILLION, BLOCK_BYTES, LONGEST, Columns, pack_row, packed

_REGULAR, _FOLDER, _LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
_KIND = 0o170000
_ENCODING, _ESCAPE = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_OTHERS = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe", stat.S_IFBLK: "block-device", stat.S_IFCHR: "device"}


DENIED = (errno.EACCES, errno.EPERM)
OWN, OTHER_FILE_SYSTEM = "strongroom", "other-file-system"


class ScanBounds(Struct, frozen=True):
    """Where a scan does not go, whatever the patterns say. own: folders and files of Strongroom itself, which would grow with
    every backup of them; links in these paths are followed, and those that are not there count for nothing · one_file_system:
    not into folders that are on another file system than the source's own."""

    own: tuple[bytes, ...] = ()
    one_file_system: bool = False


NOWHERE = ScanBounds()


def scan(root: bytes, prefix: bytes, rules: Rules, *, stop: Stop, bounds: ScanBounds = NOWHERE) -> Scan:
    """Every item at and below the folder `root`; `root` itself may be a link to a folder, nothing below it is followed.

    Columns: path binary (`prefix`, "/", path relative to root; the root's own row is `prefix`), type uint8
    (`columns.FILE`, `FOLDER`, `LINK`), size int64 (bytes; 0 for what is no file), mtime int64 (whole seconds since
    1970, rounded down) and mtime_nanos int32 (0 to 999,999,999), ctime_ns int64, mode int32 (permission bits, 0o7777),
    inode, device, uid, gid, nlink int64 (inode and device wrap around above 2^63), blocks int64 (bytes really
    allocated: less than size for sparse files).

    `stop` is called once a folder and once in 65,536 items; what it raises ends the scan. Raises SourceError where root
    is missing, no folder, out of bounds, or cannot be listed, UsageError for a prefix that is empty or ends in "/".
    """
    columns = Columns()
    return table_of(columns, walk(root, prefix, rules, columns, stop=stop, bounds=bounds))


class Walked(Struct, frozen=True):
    """What a walk has found beside rows: see `Scan`."""

    skipped: list[Skipped]
    problems: list[Problem]
    unlisted: list[bytes]
    excluded: int
    by_default: dict[str, int]
    missing_rights: list[MissingRight]


def table_of(columns: Columns, walked: Walked) -> Scan:
    """The rows that a walk has collected as a table, with all else that it found. columns: spent afterwards."""
    table = columns.table()
    release_memory()
    by_default = Counter(walked.by_default)
    found = Scan(table, walked.skipped, walked.problems, walked.unlisted, walked.excluded, by_default)
    found.missing_rights = walked.missing_rights
    return found


def walk(root: bytes, prefix: bytes, rules: Rules, columns: Columns, *, stop: Stop, bounds: ScanBounds = NOWHERE) -> Walked:
    """The part of `scan` that looks at the tree, and needs nothing of Arrow. columns: collects the rows."""
    if not prefix or prefix.endswith(b"/"):
        raise UsageError(
            f"{printable(prefix)!r} is not a valid prefix for paths: use a relative path without a slash at its end"
        )
    descriptor = open_root(root)
    try:
        status = os.fstat(descriptor)
        own = frozenset(identity for path in bounds.own if (identity := _identity(Path(os.fsdecode(path)))) is not None)
        _refuse_own(root, own)
        device = status.st_dev if bounds.one_file_system else None
        with Descent(descriptor) as descent:
            steps = _Walk(descent, prefix, rules, columns, stop, own, device)
            steps.run(status)
        if steps.problems and prefix in steps.unlisted:
            raise SourceError(f"the source {printable(root)} cannot be listed", hint=steps.problems[0].message)
        return Walked(
            steps.skipped, steps.problems, steps.unlisted, steps.excluded, dict(steps.by_default), steps.missing_rights
        )
    finally:
        os.close(descriptor)


def open_root(root: bytes) -> int:
    """A descriptor of the source's root folder; the caller closes it. Raises SourceError."""
    if not SUPPORTED:
        raise SourceError("folders cannot be backed up on this platform", hint="run the backup on Linux or macOS")
    name = printable(root)
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SourceError(f"the source {name} is not there", hint="is it mounted, and is the path right?") from error
    except NotADirectoryError as error:
        raise SourceError(f"the source {name} is not a folder", hint="name the folder that holds it") from error
    except OSError as error:
        hint = "let the user that runs the backup read and enter the folder"
        kind = SourceDenied if error.errno in DENIED else SourceError
        raise kind(f"the source {name} cannot be opened: {error.strerror}", hint=hint) from error


Identity = tuple[int, int]
"""Of a file or folder, whatever its path: device and inode."""


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _refuse_own(root: bytes, own: frozenset[Identity]) -> None:
    """Raises SourceError where the root is, or lies in, a folder of Strongroom itself."""
    folder = Path(os.fsdecode(root)).resolve()
    for one in (folder, *folder.parents) if own else ():
        if _identity(one) in own:
            raise SourceError(
                f"the source {printable(root)} lies in {printable(os.fsencode(one))}, where Strongroom keeps its own data",
                hint="it would grow with every backup; name another folder in the settings",
            )


class _Walk(Struct):
    descent: Descent
    prefix: bytes
    rules: Rules
    columns: Columns
    stop: Stop
    own: frozenset[Identity] = frozenset()
    device: int | None = None
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unlisted: list[bytes] = field(default_factory=list)
    missing_rights: list[MissingRight] = field(default_factory=list)
    excluded: int = 0
    by_default: Counter[str] = field(default_factory=Counter)
    pending: list[bytes] = field(default_factory=list)
    held: dict[bytes, os.stat_result] = field(default_factory=dict)
    """With include patterns: folders that become items as soon as one below them does."""

    def run(self, root: os.stat_result) -> None:
        self.columns.add(self.prefix, root)
        self.pending.append(b"")
        while self.pending:
            self.stop()
            folder = self.pending.pop()
            try:
                self._list(folder)
            except FileNotFoundError:
                if not folder:
                    self._unknown(folder, "the folder vanished")
            except OSError as error:
                self._unknown(folder, f"the folder cannot be listed: {error.strerror}")
                self._denied(folder, error, "the folder may not be listed")

    def _list(self, folder: bytes) -> None:
        """The inner loop, written flat: a call a file would cost a tenth of the speed."""
        base = folder + b"/" if folder else b""
        before = self.prefix + b"/" + base
        paths, ends, rows = self.columns.paths, self.columns.ends, self.columns.rows
        patterned, own_inodes = self.rules.patterned, {inode for _, inode in self.own}
        with os.scandir(self.descent.reach(folder)) as entries:
            for entry in entries:
                # a folder listed by its descriptor yields text; this is os.fsencode without its checks
                name = entry.name.encode(_ENCODING, _ESCAPE)
                try:
                    st = entry.stat(follow_symlinks=False)
                except OSError as error:
                    self._no_status(base + name, entry, error)
                    continue
                kind = st.st_mode & _KIND
                if kind != _REGULAR and kind != _LINK:
                    self._not_a_file(base + name, kind, st)
                    continue
                if st.st_ino in own_inodes and self._is_own(base + name, st):
                    continue
                if (patterned or name.endswith(TAILS) or name.startswith(HEADS)) and not self._taken(base + name):
                    continue
                paths += before
                paths += name
                ends.append(len(paths))
                try:
                    rows += pack_row(
                        st.st_mode, st.st_size, st.st_mtime_ns // BILLION, st.st_mtime_ns % BILLION, st.st_ctime_ns, st.st_ino,
                        st.st_dev, st.st_uid, st.st_gid, st.st_nlink, st.st_blocks,
                    )  # fmt: skip
                except struct.error:  # a ctime that 64 bits do not hold
                    rows += packed(st)
                if len(rows) >= BLOCK_BYTES or len(paths) > LONGEST:
                    self.columns.flush()
                    self.stop()

    def _not_a_file(self, relative: bytes, kind: int, status: os.stat_result) -> None:
        if kind == _FOLDER:
            self._folder(relative, status)
        elif self.rules.takes(relative):
            self.skipped.append(Skipped(self._path(relative), _OTHERS.get(kind, "other")))

    def _folder(self, relative: bytes, status: os.stat_result) -> None:
        if not self.rules.enters(relative):
            self.excluded += 1
            return
        if self._is_own(relative, status):
            return
        if self.device is None or status.st_dev == self.device:
            self.pending.append(relative)
        else:
            self.skipped.append(Skipped(self._path(relative), OTHER_FILE_SYSTEM))
        if not self.rules.including:
            self.columns.add(self._path(relative), status)
            return
        self.held[relative] = status
        if self.rules.takes_folder(relative):
            self._release(relative)

    def _taken(self, relative: bytes) -> bool:
        if not self.rules.takes(relative):
            self.excluded += 1
            if (pattern := self.rules.default_that_leaves_out(relative)) is not None:
                self.by_default[pattern] += 1
            return False
        if self.held:
            self._release(relative.rpartition(b"/")[0])
        return True

    def _is_own(self, relative: bytes, status: os.stat_result) -> bool:
        if (status.st_dev, status.st_ino) not in self.own:
            return False
        self.skipped.append(Skipped(self._path(relative), OWN))
        return True

    def _release(self, folder: bytes) -> None:
        """A folder and those above it become items; where one already is, all above it are."""
        while (status := self.held.pop(folder, None)) is not None:
            self.columns.add(self._path(folder), status)
            folder = folder.rpartition(b"/")[0]

    def _no_status(self, relative: bytes, entry: os.DirEntry[str], error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
        except OSError:
            is_folder = True
        if is_folder:
            if self.rules.enters(relative):
                self._unknown(relative, f"the folder cannot be looked at: {error.strerror}")
                self._denied(relative, error, "the folder may not be looked at")
        elif self.rules.takes(relative):
            self.problems.append(Problem(self._path(relative), "unreadable", f"it cannot be looked at: {error.strerror}"))
            self._denied(relative, error, "it may not be looked at")

    def _denied(self, relative: bytes, error: OSError, message: str) -> None:
        if error.errno in DENIED:
            self.missing_rights.append(MissingRight(self._path(relative), message))

    def _unknown(self, relative: bytes, message: str) -> None:
        path = self._path(relative)
        self.unlisted.append(path)
        self.problems.append(Problem(path, "unlisted", message))

    def _path(self, relative: bytes) -> bytes:
        return self.prefix + b"/" + relative if relative else self.prefix
