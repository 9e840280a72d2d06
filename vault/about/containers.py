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
_ZIP_NAMES = {b"xlsx": "xlsx", b"xlsm": "xlsx", b"xlsb": "xlsb", b"docx": "docx", b"pptx": "pptx", b"ods": "ods", b"odt": "odt"}
_OLE_NAMES = {b"xls": "xls", b"xlt": "xls", b"doc": "doc", b"dot": "doc", b"ppt": "ppt", b"msg": "msg"}
_STREAMS = tuple(
    (stream.encode("utf-16-le"), known)
    for stream, known in (("Workbook\0", "xls"), ("Book\0", "xls"), ("WordDocument\0", "doc"), ("PowerPoint Document\0", "ppt"))
)


def zip_format(head: bytes, name: bytes) -> str:
    """xlsx, xlsb, docx, pptx, ods, odt, odp, epub, or zip. A name counts only where the first entries are cut off by the head's
    end before they say anything."""
    end = 0
    for entry, method, start, size in _entries(head):
        if entry == b"mimetype" and not method:
            mimetype = head[start : start + size] if size else head[start : start + 64]
            return next((known for text, known in _BY_MIMETYPE.items() if mimetype.startswith(text)), "zip")
        if entry == b"[Content_Types].xml":
            listed = _inflated(head[start:]) if method == _DEFLATED else head[start : start + _LONGEST_LIST]
            for text, known in _BY_CONTENT_TYPE:
                if text in listed:
                    return known
        for folder, known in _BY_FOLDER:
            if entry.startswith(folder):
                return known
        end = start + size
    return _ZIP_NAMES.get(_extension(name), "zip") if end > len(head) else "zip"


def _entries(head: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """The first entries: name, method, where the content begins, its stored length (0 where it is not told)."""
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
