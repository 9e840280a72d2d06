"""Reading an archive again that a restore has written: every entry of it, compared with what the snapshot says."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from blake3 import blake3

from restore.execution.verification import NO_CHECKSUM, NOT_THERE, OTHER_CONTENT, Verification
from restore.local_fs import Attributes, TargetItem
from restore.local_fs.inspect import drop_cached_pages
from vault.format import manifest
from vault.problems import printable
from vault.progress import NoProgress, Progress

PIECE = 1024 * 1024


class _Entry(NamedTuple):
    """An entry of an archive. content: of a file, else None · points_to: of a link."""

    path: bytes
    kind: str
    content: IO[bytes] | None = None
    points_to: bytes = b""


def verify_archive(
    path: Path,
    packing: str,
    items: Iterable[TargetItem],
    names: Mapping[str, bytes],
    stop: Callable[[], None],
    progress: Progress | None = None,
) -> Verification:
    """Read the archive from the disk and compare every entry.

    packing: as `strongroom.destinations.Archive` has it · items: what was written to it · names: of entries of a ZIP archive,
    with the paths that they stand for. What cannot be read of it is part of the result.
    """
    progress, found = progress or NoProgress(), Verification("archive")
    expected = {item.path: item._replace(attributes=Attributes()) for item in items}  # these would be most of the memory
    files = [item for item in expected.values() if item.kind == manifest.FILE]
    progress.phase("verifying", items=len(files), size=sum(item.size for item in files))
    try:
        with path.open("rb") as file:
            drop_cached_pages(file.fileno())
            for entry in _zip_entries(file, names) if packing == "zip" else _tar_entries(file, packing):
                stop()
                item = expected.get(entry.path)
                if item is not None:
                    _compare(found, item, entry)
                    del expected[entry.path]
                    progress.advance(items=entry.kind == manifest.FILE, size=item.size)
    except _unreadable() as error:
        for missing in expected:
            found.differ(missing, f"{printable(path.name.encode())} could not be read again to its end: {error}")
        return found
    for missing in expected:
        found.differ(missing, NOT_THERE)
    return found


def _compare(found: Verification, item: TargetItem, entry: _Entry) -> None:
    if item.kind != entry.kind or item.points_to != entry.points_to:
        found.differ(item.path, OTHER_CONTENT)
        return
    if entry.content is not None:
        if item.digest is None:
            found.differ(item.path, NO_CHECKSUM)
            return
        digest, size = blake3(), 0
        while piece := entry.content.read(PIECE):
            digest.update(piece)
            size += len(piece)
        if size != item.size or digest.digest() != item.digest:
            found.differ(item.path, OTHER_CONTENT)
            return
    found.agree(item)


def _tar_entries(file: BinaryIO, packing: str) -> Iterator[_Entry]:
    with (
        _unpacked(file, packing) as plain,
        tarfile.open(fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape") as archive,
    ):
        for info in archive:
            path = _bytes(info.name)
            if info.isdir():
                yield _Entry(path, manifest.FOLDER)
            elif info.issym():
                yield _Entry(path, manifest.LINK, points_to=_bytes(info.linkname))
            elif info.isreg():
                yield _Entry(path, manifest.FILE, archive.extractfile(info))


@contextmanager
def _unpacked(file: BinaryIO, packing: str) -> Iterator[IO[bytes]]:
    if packing == "none":
        yield file
    elif packing == "gzip":
        with gzip.GzipFile(fileobj=file, mode="rb") as plain:
            yield cast(IO[bytes], plain)
    else:
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as unpacked:
            yield cast(IO[bytes], unpacked)


def _zip_entries(file: BinaryIO, names: Mapping[str, bytes]) -> Iterator[_Entry]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix("/")
            path = names.get(name, name.encode("utf-8", "surrogateescape"))
            if info.is_dir():
                yield _Entry(path, manifest.FOLDER)
            elif _is_link(info):
                yield _Entry(path, manifest.LINK, points_to=archive.read(info))
            else:
                with archive.open(info) as content:
                    yield _Entry(path, manifest.FILE, content)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _unreadable() -> tuple[type[Exception], ...]:
    """What a damaged archive raises."""
    import zstandard

    return (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
