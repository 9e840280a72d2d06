"""The zip that a workbook is: its parts, inflated in blocks, and never more of them than the bounds allow.

A small zip can claim, or really hold, terabytes. Nothing here believes a header: what comes out of inflate is counted as it
comes, and a part that passes its bound, or that is too many times larger than what it was inflated from, ends the reading.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from vault.errors import Damaged
from vault.threads import read_ahead

HINT = "open it in a spreadsheet program and save it anew, or have it delivered again"
"""What a person may do about a workbook that cannot be read."""

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_AHEAD_FROM = 256 * 1024
"""Bytes of a part as it is stored: a thread of its own pays for three blocks or more."""

_OLE_SEARCHED = 8 * 1024 * 1024


class WorkbookBounds(Struct, frozen=True):
    """What a workbook may ask of us.

    part        bytes of one inflated part, read by streaming
    spool       bytes of one that is inflated into a temporary file
    small_part  bytes of one that is held in memory (styles, lists of sheets)
    ratio       times that a part may be larger than its stored bytes, once it has passed `free` bytes: what programs really
                write stays below a hundred, and deflate could reach a thousand
    directory   bytes of the zip's own directory
    row         bytes of one row, the only piece of a sheet that must fit into memory
    strings     bytes of shared strings in memory; the others lie in a temporary file
    empty       cells that a sheet may leave out or repeat, beside fifty for each that it has
    block       bytes that are inflated at once
    """

    part: int = 8 * 1024**3
    spool: int = 4 * 1024**3
    small_part: int = 64 * 1024**2
    ratio: int = 300
    free: int = 16 * 1024**2
    directory: int = 4 * 1024**2
    row: int = 64 * 1024**2
    strings: int = 64 * 1024**2
    empty: int = 16 * 1024**2
    block: int = 1024**2


class Package:
    """The parts by name. Names are found whatever their case and slashes, as spreadsheet programs do."""

    def __init__(self, zip_file: zipfile.ZipFile, bounds: WorkbookBounds) -> None:
        self._zip = zip_file
        self.bounds = bounds
        self._parts = {info.filename.replace("\\", "/").lstrip("/").lower(): info for info in zip_file.infolist()}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._parts

    def names(self) -> list[str]:
        """Of all parts, in small letters."""
        return list(self._parts)

    def blocks(self, name: str) -> Generator[bytes, None, None]:
        """A part from its beginning. Raises `Damaged` where it is broken or passes a bound."""
        info = self._parts.get(name.lower())
        if info is None:
            raise Damaged(f"the workbook lacks its part {name}", hint=HINT)
        if info.flag_bits & 1:
            raise Damaged("the workbook is encrypted with a password", hint="save it without a password to have it read")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            # the other methods inflate a block to any size before they give it out
            raise Damaged(f"the workbook's part {name} is compressed in a way that workbooks are not", hint=HINT)
        limit = min(self.bounds.part, max(self.bounds.free, info.compress_size * self.bounds.ratio))
        came = 0
        with _broken(name), self._zip.open(info) as part:
            while block := part.read(self.bounds.block):
                came += len(block)
                if came > limit:
                    raise Damaged(
                        f"the workbook's part {name} swells to more than {limit} bytes, as a decompression bomb does", hint=HINT
                    )
                yield block

    @contextmanager
    def ahead(self, name: str) -> Iterator[Iterator[bytes]]:
        """The blocks of a part; of a large one they are inflated by another thread meanwhile."""
        info = self._parts.get(name.lower())
        if info is None or info.compress_size <= _AHEAD_FROM:
            yield self.blocks(name)
        else:
            with read_ahead(lambda _: self.blocks(name)) as blocks:
                yield blocks

    def whole(self, name: str) -> bytes:
        """A small part. Raises `Damaged` where it is not small."""
        pieces, size = [], 0
        for block in self.blocks(name):
            size += len(block)
            if size > self.bounds.small_part:
                raise Damaged(f"the workbook's part {name} is larger than {self.bounds.small_part} bytes", hint=HINT)
            pieces.append(block)
        return b"".join(pieces)


class _Wary(io.FileIO):
    """A file that hands out no piece as large as a forged directory would be."""

    def __init__(self, path: Path, bounds: WorkbookBounds) -> None:
        super().__init__(path)
        self._most = max(bounds.directory, bounds.block)

    def read(self, size: int | None = -1) -> bytes:
        """zipfile reads the directory in one piece and makes an object of each of its entries."""
        if size is not None and size > self._most:
            raise Damaged("the workbook holds more parts than a workbook has", hint=HINT)
        return super().read(size) or b""


@contextmanager
def open_package(path: Path, bounds: WorkbookBounds) -> Iterator[Package]:
    """Open a workbook's zip. Raises `Damaged`; says what a file is that is no zip."""
    with _Wary(path, bounds) as file:
        head = file.read(8)
        if head == _OLE:
            raise _old_container(file)
        file.seek(0)
        with _broken("directory"):
            zip_file = zipfile.ZipFile(file)
        with zip_file:
            yield Package(zip_file, bounds)


def _old_container(file: io.FileIO) -> Damaged:
    """Microsoft's older container: an encrypted workbook lies in one, and so does a workbook of before 2007."""
    file.seek(0)
    seen = b""
    for _ in range(_OLE_SEARCHED // 65536):
        block = file.read(65536) or b""
        if _ENCRYPTED in seen[-64:] + block:
            return Damaged("the workbook is encrypted with a password", hint="save it without a password to have it read")
        if not block:
            break
        seen = block
    return Damaged("this is a workbook of before 2007 (.xls), which is not read", hint="save it as .xlsx to have it read")


@contextmanager
def _broken(what: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as error:
        raise Damaged(f"the workbook's zip is broken at {what}: {error}", hint=HINT) from error
    except (OSError, RuntimeError, ValueError, IndexError, struct.error) as error:
        raise Damaged(f"the workbook's zip is invalid at {what}: {error}", hint=HINT) from error
