"""The inflated form of a file that holds deflate streams: workbooks, documents, zip archives, gzip files.

Two hourly versions of a workbook have hardly a byte in common, though a row was added: deflate makes other bytes of everything
behind it. Inflated they are as alike as the tables are. The form says how the file is made of it again, bit for bit:

    u32 number of parts | for each: u8 how, u32 length | the parts' content, one after another

how: 0, the bytes are the file's own; 1 to 9, zlib's raw deflate stream of them at this level is (window 2^15, memory level 8,
default strategy). A stream that zlib does not make so stays as it is. Numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from blake3 import blake3

from vault.errors import Damaged
from vault.format import zlib_deflate
from vault.format.chunks import LARGEST_CHUNK

LARGEST_FORM = LARGEST_CHUNK
"""Bytes: a form may be stored as a chunk of its own."""

MOST_PARTS = 1 << 16

SHORTEST = 64
"""Bytes of an inflated stream; nothing is won by shorter ones."""

LEVELS: Sequence[int] = (6, 9, 1, 5, 8, 7, 4, 3, 2)
"""zlib's levels, those first that programs use."""

_SHORT, _SHORT_PLAIN = 4096, 16 * 1024
"""Bytes of a deflate stream that is remembered, and of what it inflates to."""

MOST_REMEMBERED = 512
"""Streams, before all are forgotten. Those that other workbooks have too are a seventh of what forms cost."""

IN_VAIN = 512 * 1024
"""Bytes that are compressed without success before the rest of a file is left as it is: it is by another library, Excel's own
for example. About 8 ms, where a workbook of zlib's takes 2."""

_FIRST_PIECE, _PIECE = 1024, 64 * 1024
_COUNT, _PART = struct.Struct("<I"), struct.Struct("<BI")
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b\x08"
_ZIP_HEAD, _GZIP_HEAD = 30, 10
_DEFLATED = 8
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


class _Stream(NamedTuple):
    """A deflate stream of a file. start, end: its place · plain: what it inflates to."""

    start: int
    end: int
    plain: bytes


def inflated(data: bytes) -> bytes | None:
    """See `Inflater.form`."""
    return Inflater().form(data)


class Inflater:
    """Makes inflated forms. It remembers short streams: most of a workbook's members are those of all workbooks of a program.
    The form is the same whatever it remembers. One per thread."""

    def __init__(self) -> None:
        self._plain: dict[bytes, bytes] = {}
        self._levels: dict[tuple[int, bytes], tuple[int, int]] = {}

    def form(self, data: bytes) -> bytes | None:
        """The inflated form of a file; None where it has no deflate stream that can be made again."""
        if not data.startswith((_ZIP, _GZIP)) or not is_usual_zlib():
            return None
        if len(self._plain) > MOST_REMEMBERED or len(self._levels) > MOST_REMEMBERED:
            self._plain, self._levels = {}, {}
        streams = list(_streams(data, self._plain))
        return _form(data, streams, _levels(data, streams, self._levels))


def _form(data: bytes, streams: Sequence[_Stream], levels: Sequence[int]) -> bytes | None:
    parts: list[tuple[int, bytes]] = []
    at = 0
    for stream, level in zip(streams, levels, strict=True):
        if level:
            if stream.start > at:
                parts.append((0, data[at : stream.start]))
            parts.append((level, stream.plain))
            at = stream.end
    if not parts or len(parts) >= MOST_PARTS:
        return None
    if at < len(data):
        parts.append((0, data[at:]))
    heads = b"".join(_PART.pack(how, len(content)) for how, content in parts)
    form = b"".join([_COUNT.pack(len(parts)), heads, *(content for _, content in parts)])
    return form if len(form) <= LARGEST_FORM else None


def deflated(form: bytes, size: int) -> bytes:
    """The file of which this is the inflated form. size: the bytes that it must have. Raises `Damaged`."""
    if len(form) < _COUNT.size:
        raise Damaged("its inflated form is cut short")
    (count,) = _COUNT.unpack_from(form)
    start = _COUNT.size + count * _PART.size
    if count > MOST_PARTS or start > len(form):
        raise Damaged(f"its inflated form names {count} parts")
    pieces: list[bytes] = []
    at, made = start, 0
    for how, length in _PART.iter_unpack(form[_COUNT.size : start]):
        if how > max(LEVELS) or at + length > len(form):
            raise Damaged("its inflated form names a part that cannot be")
        content = form[at : at + length]
        pieces.append(_deflated(content, how) if how else content)
        at, made = at + length, made + len(pieces[-1])
        if made > size:
            break
    if at != len(form) or made != size:
        raise Damaged(f"its inflated form does not give the {size} bytes that it should")
    return b"".join(pieces)


def _deflated(content: bytes, level: int) -> bytes:
    return _deflate(content, level) if is_usual_zlib() else zlib_deflate.deflate(content, level)


@cache
def is_usual_zlib() -> bool:
    """Whether Python's zlib makes the bytes that zlib.net's does. zlib-ng and some processors' own compress as well, and
    otherwise: what they make nobody else could make again."""
    sample = b"".join(b"%d,queue %d,%d\n" % (number, number * 7 % 11, number * number % 1009) for number in range(4000))
    return blake3(b"".join(_deflate(sample, level) for level in (1, 6, 9))).hexdigest(length=8) == _USUAL


# zlib 1.2.13; `zlib_deflate` gives the same
_USUAL = "f6478eda10a04c68"


def _deflate(plain: bytes, level: int) -> bytes:
    made = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    return made.compress(plain) + made.flush()


def _levels(data: bytes, streams: Sequence[_Stream], known: dict[tuple[int, bytes], tuple[int, int]]) -> list[int]:
    """The level at which zlib makes each of the streams, 0 where it does not, or where too much was tried in vain. known: of
    short streams, by the level that is tried first, their level and what is tried in vain until it is found."""
    levels: list[int] = []
    order, vain = LEVELS, 0
    for stream in streams:
        content = data[stream.start : stream.end]
        found, tried = known.get((order[0], content), (0, 0)) if len(content) <= _SHORT else (0, 0)
        if not found or vain + tried >= IN_VAIN:
            found, tried = _level(content, stream.plain, order, IN_VAIN - vain)
            if found and len(content) <= _SHORT:
                known[order[0], content] = found, tried
        vain += tried
        if found:
            order = (found, *(one for one in LEVELS if one != found))
        levels.append(found)
    return levels


def _level(content: bytes, plain: bytes, order: Sequence[int], most: int) -> tuple[int, int]:
    """The level at which zlib makes a stream, 0 where none does, and bytes that were tried in vain. most: of these."""
    vain = 0
    for level in order:
        if vain >= most:
            break
        if _makes(level, plain, content):
            return level, vain
        vain += min(len(plain), 2 * _PIECE)
    return 0, vain


def _makes(level: int, plain: bytes, stream: bytes) -> bool:
    """Whether zlib makes the stream at this level; ends with the first bytes that differ."""
    compressor, made = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL), 0
    for start in range(0, len(plain), _PIECE):
        piece = compressor.compress(plain[start : start + _PIECE])
        if not stream.startswith(piece, made):
            return False
        made += len(piece)
    return stream[made:] == compressor.flush()


def _streams(data: bytes, known: dict[bytes, bytes]) -> Iterator[_Stream]:
    """The deflate streams of a zip archive, by the headers before its members, or of a gzip file. What only looks like one does
    no harm: it is made again like any other. known: what short streams inflate to."""
    room = LARGEST_FORM
    at = 0
    while True:
        at = data.find(_ZIP, at) if data.startswith(_ZIP) else at
        start = _start(data, at) if at >= 0 else None
        if start is None:
            return
        stream = _known(data, at, start, room, known) or _stream(data, start, room) if start else None
        if stream is not None:
            room -= len(stream.plain)
            if stream.end - stream.start <= _SHORT and len(stream.plain) <= _SHORT_PLAIN:
                known[data[stream.start : stream.end]] = stream.plain
            yield stream
        if data.startswith(_GZIP):
            return
        at = stream.end if stream is not None else at + len(_ZIP)


def _start(data: bytes, at: int) -> int | None:
    """Where the content behind a header begins; 0 where it is not deflated, None where the header is cut short."""
    if data.startswith(_GZIP):
        return _behind_gzip_header(data)
    if at + _ZIP_HEAD > len(data):
        return None
    method, (name, extra) = data[at + 8], struct.unpack_from("<HH", data, at + 26)
    return at + _ZIP_HEAD + name + extra if method == _DEFLATED else 0


def _behind_gzip_header(data: bytes) -> int | None:
    if len(data) < _GZIP_HEAD:
        return None
    flags, at = data[3], _GZIP_HEAD
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for text in (_NAME, _COMMENT):
        if flags & text:
            end = data.find(b"\0", at)
            if end < 0:
                return None
            at = end + 1
    return at + 2 if flags & _HEADER_CRC else at


def _known(data: bytes, at: int, start: int, room: int, known: dict[bytes, bytes]) -> _Stream | None:
    """A stream that is as long as the header says, and was met before: no other one begins like it."""
    if not known or not data.startswith(_ZIP):
        return None
    end = start + int.from_bytes(data[at + 18 : at + 22], "little")
    plain = known.get(data[start:end]) if start < end <= start + _SHORT else None
    return _Stream(start, end, plain) if plain is not None and len(plain) <= room else None


def _stream(data: bytes, start: int, room: int) -> _Stream | None:
    """The deflate stream that begins there, if it ends and is worth it. room: bytes that it may inflate to."""
    inflater, pieces, made = zlib.decompressobj(-zlib.MAX_WBITS), list[bytes](), 0
    at, step = start, _FIRST_PIECE  # an archive of thousands of members is not copied for each of them
    try:
        while at < len(data) and not inflater.eof:
            pieces.append(inflater.decompress(data[at : at + step], room + 1 - made))
            made += len(pieces[-1])
            if made > room:
                return None
            at, step = min(at + step, len(data)), min(2 * step, _PIECE)
    except zlib.error:
        return None
    if not inflater.eof or made < SHORTEST:
        return None
    return _Stream(start, at - len(inflater.unused_data), b"".join(pieces))
