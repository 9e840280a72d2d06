"""What lies in a container of which only the beginning is at hand: a zip archive, or an OLE file as old office programs write.

A zip's table of contents is at its end; the local headers before its first entries say enough: office programs write their
list of content types, or OpenDocument's `mimetype`, first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_LOCAL = b"PK\3\4"
_HEADER = struct.Struct("<4s2xHH8xI4xHH")
_SIZE_FOLLOWS = 0x08
_DEFLATED = 8
_MOST_ENTRIES = 64
_LONGEST_LIST = 64 * 1024

_BY_FOLDER = ((b"xl/", "xlsx"), (b"word/", "docx"), (b"ppt/", "pptx"))
_BY_CONTENT_TYPE = (
    (b"sheet.binary.", "xlsb"), (b"spreadsheetml", "xlsx"), (b"ms-excel", "xlsx"), (b"wordprocessingml", "docx"),
    (b"ms-word", "docx"), (b"presentationml", "pptx"),
)  # fmt: skip
_BY_MIMETYPE = {
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/epub+zip": "epub",
}
_OPEN_DOCUMENT_PARTS = frozenset({b"META-INF/manifest.xml", b"content.xml", b"styles.xml", b"meta.xml", b"settings.xml"})
"""Programs on the web write them in any order, and `mimetype` where it is not found."""

_OASIS = b"urn:oasis:names:tc:opendocument"
_BY_BODY = (
    *_BY_MIMETYPE.items(), (b"<office:spreadsheet", "ods"), (b"<office:text", "odt"), (b"<office:presentation", "odp"),
)  # fmt: skip
_ZIP_NAMES = {b"xlsx": "xlsx", b"xlsm": "xlsx", b"xlsb": "xlsb", b"docx": "docx", b"pptx": "pptx", b"ods": "ods", b"odt": "odt"}
_OLE_NAMES = {b"xls": "xls", b"xlt": "xls", b"doc": "doc", b"dot": "doc", b"ppt": "ppt", b"msg": "msg"}
_STREAMS = tuple(
    (stream.encode("utf-16-le"), known)
    for stream, known in (("Workbook\0", "xls"), ("Book\0", "xls"), ("WordDocument\0", "doc"), ("PowerPoint Document\0", "ppt"))
)


def zip_format(head: bytes, name: bytes) -> str:
    """xlsx, xlsb, docx, pptx, ods, odt, odp, epub, or zip. A name counts only where the first entries are cut off by the head's
    end before they say anything, or say no more than that it is OpenDocument."""
    end = 0
    open_document = False
    for entry, method, start, size in _entries(head):
        known = _by_entry(entry, head[start:], method, size)
        if known is not None:
            return known
        open_document |= entry in _OPEN_DOCUMENT_PARTS and _OASIS in _begin(head[start:], method)
        end = start + size
    return _ZIP_NAMES.get(_extension(name), "zip") if end > len(head) or open_document else "zip"


def _by_entry(entry: bytes, data: bytes, method: int, size: int) -> str | None:
    """What one entry says. data: the head from its content on · size: its stored length, 0 where that is not stated."""
    if entry == b"mimetype":
        mimetype = data[: size or 64] if not method else _inflated(data)
        return next((known for text, known in _BY_MIMETYPE.items() if mimetype.startswith(text)), "zip")
    said: tuple[tuple[bytes, str], ...] = ()
    if entry == b"[Content_Types].xml":
        said = _BY_CONTENT_TYPE
    elif entry in _OPEN_DOCUMENT_PARTS:
        said = _BY_BODY
    part = _begin(data, method) if said else b""
    found = next((known for text, known in said if text in part), None)
    return found or next((known for folder, known in _BY_FOLDER if entry.startswith(folder)), None)


def _begin(data: bytes, method: int) -> bytes:
    """The beginning of an entry's content."""
    return _inflated(data) if method == _DEFLATED else data[:_LONGEST_LIST]


def _entries(head: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """The first entries: name, method, where the content begins, its stored length (0 where it is not stated)."""
    at = 0
    for _ in range(_MOST_ENTRIES):
        if at < 0 or len(head) < at + _HEADER.size:
            return
        mark, flags, method, size, name_length, extra_length = _HEADER.unpack_from(head, at)
        if mark != _LOCAL:
            return
        start = at + _HEADER.size + name_length + extra_length
        yield head[at + _HEADER.size : at + _HEADER.size + name_length], method, start, size
        at = head.find(_LOCAL, start) if flags & _SIZE_FOLLOWS else start + size


def _inflated(data: bytes) -> bytes:
    """As much as can be had of a deflated run, within bounds."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _LONGEST_LIST)
    except zlib.error:
        return b""


def ole_format(head: bytes, name: bytes) -> str:
    """xls, doc, ppt, or by the name where the list of streams is beyond the head; ole otherwise."""
    for stream, known in _STREAMS:
        if stream in head:
            return known
    return _OLE_NAMES.get(_extension(name), "ole")


def _extension(name: bytes) -> bytes:
    return name.rpartition(b".")[2].lower()
