"""Two folders compared item by item, with nothing but the operating system's own calls: what a restore brought back is judged
by a walk that shares no code with the scan of a backup.

    for difference in compare_folders(Path("source"), Path("back")):
        print(difference)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field

from vault.problems import printable
from vault.progress import Stop, never
from vault.wording import counted

_PIECE = 1 << 20
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class FolderDifference(Struct, frozen=True):
    """What is other than it should be about one item. path: relative, b"" for the folder itself · what: `missing`,
    `unexpected`, `type`, `content`, `link-target`, `mode`, `time`, `owner` or `attributes` · message: for people."""

    path: bytes
    what: str
    message: str

    def __str__(self) -> str:
        return f"{printable(self.path) or '.'}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {"path": printable(self.path), "what": self.what, "message": self.message}


class CompareOptions(Struct, frozen=True):
    """What is compared beside names, types and contents. times: of files and folders, when they were modified; links have none
    that restores keep · modes: permission bits, not of links · owners: user and group · attributes: extended ones of the
    users' namespace, of files and folders."""

    times: bool = True
    modes: bool = True
    owners: bool = False
    attributes: bool = False


class WalkedItem(Struct, frozen=True):
    """What a walk found. path: relative to where it began · full: to open it · status: of the item itself, no link followed."""

    path: bytes
    full: bytes
    status: os.stat_result

    @property
    def kind(self) -> str:
        """file, folder, link, or other: what has no content."""
        return _TYPES.get(stat.S_IFMT(self.status.st_mode), "other")


class Walk(Struct):
    """How to walk. enters: whether a folder is looked into · unlisted: folders that could not be, and why; filled by the walk ·
    stop: called for each folder; what it raises ends the walk."""

    enters: Callable[[WalkedItem], bool] = lambda _: True
    unlisted: list[FolderDifference] = field(default_factory=list)
    stop: Stop = never

    def items(self, root: Path) -> Iterator[WalkedItem]:
        """The folder itself and all below it, a folder before what is in it, names in bytewise order. What vanishes meanwhile
        is left out. Raises OSError where `root` cannot be looked at."""
        top = os.fsencode(root)
        pending = [WalkedItem(b"", top, os.stat(top))]  # noqa: PTH116 (bytes: a name may be no text)
        while pending:
            item = pending.pop()
            yield item
            if item.kind == "folder" and (not item.path or self.enters(item)):
                pending += self._inside(item)

    def _inside(self, folder: WalkedItem) -> list[WalkedItem]:
        """Last name first: the walk takes them from the end."""
        self.stop()
        found = []
        try:
            with os.scandir(folder.full) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    found.append(WalkedItem(folder.path + b"/" + entry.name if folder.path else entry.name, entry.path, status))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.unlisted.append(FolderDifference(folder.path, "unlisted", f"the folder cannot be listed: {error.strerror}"))
        return sorted(found, key=lambda item: item.path, reverse=True)


def paired(left: Iterable[WalkedItem], right: Iterable[WalkedItem]) -> Iterator[tuple[WalkedItem | None, WalkedItem | None]]:
    """The items of two walks side by side; None where one of them has no item of that path."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        here, there = _order(one), _order(other)
        if there is None or (here is not None and here < there):
            yield one, None
            one = next(lefts, None)
        elif here is None or there < here:
            yield None, other
            other = next(rights, None)
        else:
            yield one, other
            one, other = next(lefts, None), next(rights, None)


def _order(item: WalkedItem | None) -> list[bytes] | None:
    return None if item is None else item.path.split(b"/") if item.path else []


def compare_folders(
    expected: Path, found: Path, options: CompareOptions | None = None, *, subset: bool = False
) -> Iterator[FolderDifference]:
    """Whatever differs, in the order of the paths. subset: `expected` may have more items than `found`, and the times of its
    folders, which tell of that, are not compared. Raises OSError where a file cannot be read."""
    options = options or CompareOptions()
    walks = Walk(), Walk()
    for wanted, there in paired(walks[0].items(expected), walks[1].items(found)):
        if there is None:
            if wanted is not None and not subset:
                yield FolderDifference(wanted.path, "missing", f"the {wanted.kind} was not restored")
        elif wanted is None:
            yield unexpected(there)
        else:
            differences = compare_items(wanted, there, options)
            yield from (one for one in differences if not (subset and one.what == "time" and wanted.kind == "folder"))
    for walk in walks:
        yield from walk.unlisted


def single(path: Path) -> WalkedItem:
    """One item by itself, for `compare_items`; its path is its name. Raises OSError."""
    full = os.fsencode(path)
    return WalkedItem(os.fsencode(path.name), full, os.lstat(full))


def unexpected(item: WalkedItem) -> FolderDifference:
    """An item that has nothing to be compared with."""
    return FolderDifference(item.path, "unexpected", f"there is a {item.kind} that should not be there")


def compare_items(wanted: WalkedItem, found: WalkedItem, options: CompareOptions) -> list[FolderDifference]:
    """What differs between two items of one path. Raises OSError where a file cannot be read."""
    if wanted.kind != found.kind:
        return [FolderDifference(wanted.path, "type", f"it is a {found.kind}, and should be a {wanted.kind}")]
    differences = [*_content(wanted, found), *_status(wanted, found, options)]
    if options.attributes and wanted.kind in ("file", "folder") and _extended(wanted) != _extended(found):
        differences.append(FolderDifference(wanted.path, "attributes", "its extended attributes are other ones"))
    return differences


def _content(wanted: WalkedItem, found: WalkedItem) -> Iterator[FolderDifference]:
    if wanted.kind == "link":
        target, other = os.readlink(wanted.full), os.readlink(found.full)  # noqa: PTH115 (bytes)
        if target != other:
            yield FolderDifference(
                wanted.path, "link-target", f"it points to {printable(other)}, and should to {printable(target)}"
            )
    elif wanted.kind == "file":
        place = first_difference(wanted.full, found.full)
        if place is not None:
            sizes = wanted.status.st_size, found.status.st_size
            lengths = "" if sizes[0] == sizes[1] else f" ({counted(sizes[1], 'byte')} instead of {sizes[0]:,})"
            yield FolderDifference(wanted.path, "content", f"its content differs from byte {place:,} on{lengths}")


def _status(wanted: WalkedItem, found: WalkedItem, options: CompareOptions) -> Iterator[FolderDifference]:
    here, there = wanted.status, found.status
    if options.owners and (here.st_uid, here.st_gid) != (there.st_uid, there.st_gid):
        owners = f"{there.st_uid}:{there.st_gid}", f"{here.st_uid}:{here.st_gid}"
        yield FolderDifference(wanted.path, "owner", f"it belongs to {owners[0]}, and should to {owners[1]}")
    if wanted.kind == "link":
        return
    kept = 0o7777 if here.st_uid == there.st_uid and here.st_gid == there.st_gid else 0o1777
    modes = here.st_mode & kept, there.st_mode & kept  # set-id bits would speak for somebody else
    if options.modes and modes[0] != modes[1]:
        yield FolderDifference(wanted.path, "mode", f"its mode is {modes[1]:04o}, and should be {modes[0]:04o}")
    if options.times and here.st_mtime_ns != there.st_mtime_ns:
        times = _moment(there.st_mtime_ns), _moment(here.st_mtime_ns)
        yield FolderDifference(wanted.path, "time", f"it was modified at {times[0]}, and should have been at {times[1]}")


def first_difference(one: bytes, other: bytes) -> int | None:
    """The first byte in which two files differ, counted from 0; their common length where one is longer; None where they are
    equal. Raises OSError."""
    place = 0
    with _opened(one) as left, _opened(other) as right:
        while True:
            here, there = left.read(_PIECE), right.read(_PIECE)
            if here != there:
                return place + _differs_at(here, there)
            if not here:
                return None
            place += len(here)


def _differs_at(here: bytes, there: bytes) -> int:
    common = min(len(here), len(there))
    return next((at for at in range(common) if here[at] != there[at]), common)


def _opened(path: bytes) -> BinaryIO:
    return os.fdopen(os.open(path, _OPEN), "rb")


def _extended(item: WalkedItem) -> dict[str, bytes]:
    try:
        names = os.listxattr(item.full, follow_symlinks=False)
        return {name: os.getxattr(item.full, name, follow_symlinks=False) for name in names if name.startswith("user.")}
    except OSError:  # a file system that has none
        return {}


def _moment(nanoseconds: int) -> str:
    """A time in UTC, to the last digit; the number itself where no calendar has it."""
    try:
        whole = _EPOCH + timedelta(seconds=nanoseconds // 1_000_000_000)
    except OverflowError:
        return f"{nanoseconds} ns"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09}Z"
