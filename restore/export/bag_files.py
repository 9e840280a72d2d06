"""A bag that somebody hands over, read with suspicion: a folder, or a ZIP file with one folder in it. Nothing is extracted, no
name leads out of it, no link is followed, and texts are bounded before they are read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from blake3 import blake3

from restore.export import tags
from vault.errors import Damaged, TargetError
from vault.problems import printable
from vault.wording import counted

LARGEST_TEXT = 1024 * 1024 * 1024
"""Bytes of a manifest: of millions of files."""

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of the head of a report, and of an item in it."""

MOST_FILES = 10_000_000
PIECE = 4 * 1024 * 1024


class BagBounds(NamedTuple):
    """How large a bag may be that is looked at. files: how many · bytes: of all of them, expanded; None for any · text: bytes
    of a manifest."""

    files: int = MOST_FILES
    bytes: int | None = None
    text: int = LARGEST_TEXT


_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+)\Z")
_ENCODED = {"%0A": "\n", "%0a": "\n", "%0D": "\r", "%0d": "\r", "%25": "%"}


class Digests(NamedTuple):
    """Of a file of the bag. sha256: hexadecimal · blake3: hexadecimal · size: bytes."""

    sha256: str
    blake3: str
    size: int


class BagFiles(Protocol):
    """The files of a bag, by their paths in it. bounds: that it keeps."""

    bounds: BagBounds

    def names(self) -> set[str]:
        """All of them. Raises `Damaged` for what no bag has."""
        ...

    def opened(self, name: str) -> IO[bytes]:
        """One of them. Raises `KeyError` where there is none."""
        ...


class _Folder:
    def __init__(self, root: Path, bounds: BagBounds) -> None:
        self._root = root
        self.bounds = bounds

    def names(self) -> set[str]:
        found: set[str] = set()
        size = 0
        for folder, folders, files in os.walk(self._root):
            for name in (*folders, *files):
                path = Path(folder, name)
                status = path.lstat()
                if path.is_symlink() or stat.S_IFMT(status.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                    raise Damaged(f"{printable(os.fsencode(path))} is neither a file nor a folder: no bag has that")
                size += status.st_size if name in files else 0
            found |= {str(Path(folder, name).relative_to(self._root)) for name in files}
            _refuse_large(len(found), size, self.bounds)
        return found

    def opened(self, name: str) -> IO[bytes]:
        try:
            handle = os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise KeyError(name) from error
        return os.fdopen(handle, "rb")


class _Zip:
    """The one folder at the top is the bag's own. Nothing of it is believed before it was looked at: names, sorts, sizes."""

    def __init__(self, archive: zipfile.ZipFile, bounds: BagBounds) -> None:
        self._archive = archive
        self.bounds = bounds
        infos = [one for one in archive.infolist() if not one.filename.endswith("/")]
        _refuse_large(len(infos), sum(one.file_size for one in infos), bounds)
        tops = {one.filename.split("/", 1)[0] for one in infos}
        if len(tops) != 1:
            raise Damaged("the ZIP file does not hold one folder with a bag")
        self._base = f"{tops.pop()}/"
        if len({one.filename for one in infos}) != len(infos):
            raise Damaged("the ZIP file has two files of one name")
        for one in infos:
            self._refuse(one)

    def names(self) -> set[str]:
        return {one.removeprefix(self._base) for one in self._archive.namelist() if not one.endswith("/")}

    def opened(self, name: str) -> IO[bytes]:
        return self._archive.open(self._base + name)

    def _refuse(self, one: zipfile.ZipInfo) -> None:
        shown = printable(one.filename.encode("utf-8", "surrogateescape"))
        sort = stat.S_IFMT(one.external_attr >> 16)
        if not one.filename.startswith(self._base) or _leads_out(one.filename.removeprefix(self._base)):
            raise Damaged(f"{shown} is a name that leads out of the bag: no bag has that")
        if sort not in (0, stat.S_IFREG):
            raise Damaged(f"{shown} is neither a file nor a folder: no bag has that")
        if one.flag_bits & 1:
            raise Damaged(f"{shown} is encrypted: no bag has that")


def _refuse_large(files: int, size: int, bounds: BagBounds) -> None:
    """Raises `Damaged`."""
    if files > bounds.files:
        raise Damaged(f"the bag has more than {counted(bounds.files, 'file')}")
    if bounds.bytes is not None and size > bounds.bytes:
        raise Damaged(f"the files of the bag have more than {bounds.bytes >> 20} MiB when they are expanded")


@contextmanager
def opened(path: Path, bounds: BagBounds = BagBounds()) -> Iterator[BagFiles]:  # noqa: B008 (a constant)
    """The bag at a path. Raises `TargetError` where there is none that can be read, `Damaged`."""
    try:
        if path.is_dir():
            yield _Folder(path, bounds)
            return
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive, bounds)
    except zipfile.BadZipFile as error:
        raise Damaged(f"{path} is not a folder, and not a whole ZIP file: {error}") from error
    except OSError as error:
        raise TargetError(f"cannot read {path}: {error.strerror or error}", hint="name the folder or the ZIP file") from error


def read_text(files: BagFiles, name: str) -> bytes:
    """A text of the bag. Raises `Damaged` where it is missing or too large."""
    try:
        with files.opened(name) as file:
            data = file.read(files.bounds.text + 1)
    except KeyError as error:
        raise Damaged(f"the bag has no {name}") from error
    if len(data) > files.bounds.text:
        raise Damaged(f"{name} is larger than any that is written")
    return data


def parse_manifest(data: bytes, name: str) -> dict[str, str]:
    """SHA-256 in hexadecimal by path. Raises `Damaged`."""
    found: dict[str, str] = {}
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Damaged(f"{name} is not valid UTF-8") from error
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        path = re.sub("|".join(_ENCODED), lambda one: _ENCODED[one[0]], match[2]) if match else ""
        if match is None or path in found or _leads_out(path):
            raise Damaged(f"line {number} of {name} is not a checksum and a path")
        found[path] = match[1].lower()
    return found


def digests(files: BagFiles, name: str) -> Digests:
    """Of a file. Raises `KeyError` where there is none, `Damaged` where it cannot be expanded."""
    sha256, other, size = hashlib.sha256(), blake3(), 0
    try:
        with files.opened(name) as file:
            while piece := file.read(PIECE):
                sha256.update(piece)
                other.update(piece)
                size += len(piece)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise Damaged(f"{name} cannot be read: {error}") from error
    return Digests(sha256.hexdigest(), other.hexdigest(), size)


def read_report(files: BagFiles) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The head of `report.json`, and its items, one after another. Raises `Damaged`, also while it is gone through."""
    lines = _lines(files)
    head: list[bytes] = []
    for line in lines:
        if line == b'  "items": [\n':
            break
        head.append(line)
        if sum(map(len, head)) > LONGEST_LINE:
            raise Damaged(f"{tags.REPORT} has a head that is longer than any that is written")
    else:
        raise Damaged(f"{tags.REPORT} is no report of an export: it lists no items")
    return _object(b"".join(head).rstrip().rstrip(b",") + b"}"), _items(lines)


def _lines(files: BagFiles) -> Iterator[bytes]:
    try:
        with files.opened(tags.REPORT) as file:
            while line := file.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise Damaged(f"{tags.REPORT} has a line that is longer than any that is written")
                yield line
    except KeyError as error:
        raise Damaged(f"the bag has no {tags.REPORT}") from error


def _items(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.strip() == b"]":
            return
        yield _object(line.strip().rstrip(b","))
    raise Damaged(f"{tags.REPORT} is cut off")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{tags.REPORT} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Damaged(f"{tags.REPORT} has something in the place of an object")
    return value


def is_payload(name: str) -> bool:
    """Whether a file is one of the bag's content."""
    return name.startswith("data/")


def declared(files: BagFiles) -> bool:
    """Whether the bag says that it is one."""
    return read_text(files, tags.BAGIT).startswith(b"BagIt-Version: ")


def _leads_out(path: str) -> bool:
    return path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/"))
