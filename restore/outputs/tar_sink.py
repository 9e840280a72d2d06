"""A tar archive: PAX headers with times to the nanosecond, owners, extended attributes and names of any bytes.

The same items make the same bytes: entries come in the order of their paths, and nothing of this machine or moment is in them.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.errors import UsageError
from vault.problems import Problem

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
_XATTR = "SCHILY.xattr."


@contextmanager
def tar_sink(out: BinaryIO, compression: str) -> Iterator[TarSink]:
    """A sink that writes to `out`, which stays open. compression: none, gzip or zstd."""
    with _compressed(out, compression) as plain, _archive(plain) as archive:
        yield TarSink(archive)


@contextmanager
def _archive(plain: IO[bytes]) -> Iterator[tarfile.TarFile]:
    archive = tarfile.TarFile(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape")
    yield archive
    archive.close()  # writes its end, which must not be done after a failure


@contextmanager
def _compressed(out: BinaryIO, compression: str) -> Iterator[IO[bytes]]:
    match compression:
        case "none":
            yield out
        case "gzip":
            with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=out, mtime=0) as gzipped:
                yield cast(IO[bytes], gzipped)
        case "zstd":
            import zstandard

            packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
            with packer.stream_writer(out, closefd=False) as packed:
                yield packed
        case _:
            raise UsageError(f"a tar archive cannot be compressed with {compression}")


class TarSink:
    """See this module's text."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder's own entry."""
        info, problems = _info(path, tarfile.DIRTYPE, entry)
        self._archive.addfile(info)
        return problems

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A link's entry."""
        info, problems = _info(path, tarfile.SYMTYPE, entry)
        info.linkname = _text(points_to)
        info.mode = 0o777
        self._archive.addfile(info)
        return problems

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file's entry and its content."""
        info, problems = _info(item.path, tarfile.REGTYPE, entry)
        info.size = item.size
        self._archive.addfile(info, item.content)
        return problems

    def finish(self) -> list[Problem]:
        """Nothing is left to do: whoever opened the archive closes it."""
        return []


def _info(path: bytes, kind: bytes, entry: OutputEntry) -> tuple[tarfile.TarInfo, list[Problem]]:
    attributes = entry.attributes
    info = tarfile.TarInfo(_text(path))
    info.type = kind
    info.mode = 0o644 if attributes.mode is None else attributes.mode
    info.uid, info.gid = attributes.uid or 0, attributes.gid or 0
    info.uname, info.gname = entry.owner or "", entry.group or ""
    seconds, nanos = divmod(attributes.mtime_ns or 0, 1_000_000_000)
    info.mtime = seconds
    headers = {}
    failed = []
    for name, value in attributes.extended or ():
        text = name.decode("utf-8", "replace")
        if "=" in text or text.encode() != name:
            failed.append(text)
        else:
            headers[_XATTR + text] = _text(value)
    if nanos or seconds < 0:
        headers["mtime"] = _decimal(attributes.mtime_ns or 0)
    info.pax_headers = headers
    shown = ", ".join(map(repr, failed))
    return info, [Problem(path, "attributes", f"a tar archive cannot hold the attribute {shown}")] if failed else []


def _decimal(nanoseconds: int) -> str:
    """Seconds with all nine digits, also before 1970."""
    seconds, nanos = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{nanos:09}"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
