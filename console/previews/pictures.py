"""The measures of a picture by its header: a small file can be a picture of gigabytes once it is unpacked."""

from __future__ import annotations

import struct

MOST_PIXELS = 60_000_000
"""That a browser is asked to unpack."""

_NO_FRAMES = frozenset({0xC4, 0xC8, 0xCC})


def pixels(head: bytes, format_name: str) -> int | None:
    """How many it has; None where its header does not say so. head: its first bytes. Raises nothing."""
    try:
        width, height = _measures(head, format_name)
    except (struct.error, IndexError, KeyError, ValueError):
        return None
    return width * height


def _measures(head: bytes, format_name: str) -> tuple[int, int]:
    match format_name:
        case "png":
            width, height = struct.unpack(">II", head[16:24])
        case "gif":
            width, height = struct.unpack("<HH", head[6:10])
        case "jpeg":
            width, height = _of_jpeg(head)
        case "webp":
            width, height = _of_webp(head)
        case _:
            raise KeyError(format_name)
    return width, height


def _of_jpeg(head: bytes) -> tuple[int, int]:
    """From marker to marker up to the first frame."""
    at = 2
    while True:
        if head[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        (length,) = struct.unpack(">H", head[at + 2 : at + 4])
        at += 2 + max(length, 2)


def _of_webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF
