"""Which sort of preview an item has: by its first bytes, not by what its name says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from classify.format import HEAD, sniff
from restore.tables.formats import read_as

Sort = Literal["table", "mail", "text", "image", "audio", "video", "pdf", "none"]

HEAD_BYTES = HEAD
"""Bytes of an item that tell its format."""

TYPES = {
    "png": ("image", "image/png"),
    "jpeg": ("image", "image/jpeg"),
    "gif": ("image", "image/gif"),
    "webp": ("image", "image/webp"),
    "mp3": ("audio", "audio/mpeg"),
    "wav": ("audio", "audio/wav"),
    "ogg": ("audio", "audio/ogg"),
    "flac": ("audio", "audio/flac"),
    "m4a": ("audio", "audio/mp4"),
    "mp4": ("video", "video/mp4"),
    "matroska": ("video", "video/webm"),
    "pdf": ("pdf", "application/pdf"),
}
"""What a browser may be given as bytes: sort and media type by format. No type here can hold a script that a browser runs."""

TEXTS = frozenset({"text", "html", "xml", "svg", "eml", "json", "jsonl", "csv", "tsv", "rtf"})
"""Formats whose first bytes can be read as text."""


class ItemSort(Struct, frozen=True):
    """What an item is. format: by its first bytes; "" for an empty item · table: the format as which it is read as a table; ""
    where it is none · media_type: of its bytes, where a browser may have them."""

    sort: Sort
    format: str
    table: str = ""
    media_type: str = ""

    @property
    def is_text(self) -> bool:
        """Whether its first bytes can be shown as text."""
        return self.format in TEXTS


def sort_of(head: bytes, size: int, name: bytes) -> ItemSort:
    """head: the first `HEAD_BYTES` of it · size: of all of it · name: for what the bytes leave open."""
    found = sniff(head[:HEAD_BYTES], size=size, name=name) or ""
    if found in TYPES:
        sort, media_type = TYPES[found]
        return ItemSort(sort, found, media_type=media_type)  # type: ignore[arg-type]  # one of the literals above
    table = read_as(found)
    if table is not None:
        return ItemSort("table", found, table)
    if found == "eml":
        return ItemSort("mail", found)
    return ItemSort("text" if found in TEXTS else "none", found)
