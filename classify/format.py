"""The format of a file, by its first bytes; its name only breaks ties.

    marks at the beginning      pdf, png, jpeg, parquet, sqlite, wav, gzip, …
    containers                  a zip's first entries: xlsx, xlsm, docx, pptx, ods, odt; an OLE file's streams: xls, doc
    text                        html, xml, svg, eml, json, jsonl, csv, tsv; what is left is text or binary

The head is at most 64 KiB, which a backup has in memory at no cost. Office files name their kind in the first entries as their
writers order them; where the head does not reach far enough the file's name decides, and without one it is a `zip`. An empty
file has no format.
"""

from __future__ import annotations

import re

from classify.container_format import OLE, ole_format, zip_format
from classify.text_format import text_format

HEAD = 64 * 1024
"""Bytes of the beginning that are worth handing in."""

BINARY = "binary"

_MARKS = (
    (b"%PDF-", "pdf"), (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"),
    (b"SQLite format 3\0", "sqlite"), (b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"ARROW1\0\0", "feather"),
    (b"\x1aE\xdf\xa3", "matroska"), (b"Obj\x01", "avro"), (b"age-encryption.org/v1\n", "age"), (b"{\\rtf", "rtf"),
    (b"#!AMR", "amr"),
)  # fmt: skip
_LETTERS = (
    (b"GIF87a", "gif"), (b"GIF89a", "gif"), (b"PAR1", "parquet"), (b"PARE", "parquet"), (b"FEA1", "feather"), (b"ID3", "mp3"),
    (b"OggS", "ogg"), (b"fLaC", "flac"), (b".snd", "au"),
)  # fmt: skip
"""Marks that a text could begin with: they count only with bytes after them that no text holds."""

_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1f]")
_BY_FIRST_BYTE = {
    first: tuple((mark, known, marks is _LETTERS) for marks in (_MARKS, _LETTERS) for mark, known in marks if mark[0] == first)
    for first in {mark[0] for mark, _ in _MARKS + _LETTERS} | set(b"BPR\xd0\xff")
}
"""What a file with a mark begins with; all others are looked at as text at once."""

_RIFF = {b"WAVE": "wav", b"AVI ": "avi", b"WEBP": "webp"}


def sniff(head: bytes, *, size: int, name: bytes = b"") -> str | None:
    """The format's name; None for an empty file. head: the first bytes, up to `HEAD` · size: of the whole file ·
    name: of the file, asked only where the content leaves a choice. Raises nothing."""
    if not head:
        return None
    if head[0] in _BY_FIRST_BYTE:
        marked = _marked(head, name)
        if marked is not None:
            return marked
    if head[4:8] == b"ftyp":
        return "m4a" if head[8:11] == b"M4A" else "mp4"
    if head[257:262] == b"ustar":
        return "tar"
    return text_format(head, name, whole=size <= len(head)) or BINARY


def _marked(head: bytes, name: bytes) -> str | None:
    for mark, known, letters in _BY_FIRST_BYTE[head[0]]:
        if head.startswith(mark) and not (letters and _NO_TEXT.search(head, len(mark), len(mark) + 16) is None):
            return known
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], BINARY)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return zip_format(head, name)
    if head.startswith(OLE):
        return ole_format(head, name)
    if _BZIP2.match(head):
        return "bzip2"
    return "mp3" if _is_mp3_frame(head) else None


def _is_mp3_frame(head: bytes) -> bool:
    """MPEG audio, layer III: the sync bits, and no bit rate or sampling rate that does not exist."""
    return len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and 0x0F < head[2] < 0xF0 and head[2] & 0x0C != 0x0C
