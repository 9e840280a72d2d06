"""Where earlier versions of objects stand among the items of a bucket: `.versions/KEY/TIME-ID.EXTENSION`.

Time and id are written in the letters a to p, one for four bits: figures would be read as the period of a report, which is that
of its key. A marker of deletion is an empty item whose name ends with `.deleted`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FOLDER = b".versions"
LONGEST_ID = 100
"""Bytes of a version's id; with more, its name would be too long for file systems."""

_TIME_BYTES = 5
_LEAF = re.compile(rb"([a-p]{10})-((?:[a-p]{2})+)")
_EXTENSION = re.compile(rb"\.[A-Za-z0-9]{1,16}\Z")
_DELETED = b".deleted"
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_FIGURES = bytes.maketrans(b"abcdefghijklmnop", b"0123456789abcdef")


class EarlierVersion(NamedTuple):
    """What such a path stands for. mtime: whole seconds since 1970 · is_marker: it says that the object was deleted."""

    key: bytes
    version: str
    mtime: int
    is_marker: bool


def path_of(one: EarlierVersion) -> bytes | None:
    """Its path below the source; None where its id is none that a name can hold."""
    name = one.version.encode("utf-8", "surrogateescape")
    if not name or len(name) > LONGEST_ID or not 0 <= one.mtime < 1 << 8 * _TIME_BYTES:
        return None
    leaf = _letters(one.mtime.to_bytes(_TIME_BYTES, "big")) + b"-" + _letters(name) + _extension(one.key)
    return FOLDER + b"/" + one.key + b"/" + leaf + (_DELETED if one.is_marker else b"")


def at(path: bytes) -> EarlierVersion | None:
    """The version that a path stands for; None where it stands for something else."""
    above, _, leaf = path.rpartition(b"/")
    folder, _, key = above.partition(b"/")
    is_marker = leaf.endswith(_DELETED)
    found = _LEAF.fullmatch(leaf.removesuffix(_DELETED).removesuffix(_extension(key)))
    if folder != FOLDER or not key or found is None:
        return None
    time, name = (bytes.fromhex(part.translate(_FIGURES).decode("ascii")) for part in found.groups())
    return EarlierVersion(key, name.decode("utf-8", "surrogateescape"), int.from_bytes(time, "big"), is_marker)


def _letters(data: bytes) -> bytes:
    return data.hex().encode("ascii").translate(_LETTERS)


def _extension(key: bytes) -> bytes:
    found = _EXTENSION.search(key.rpartition(b"/")[2])
    return b"" if found is None else found.group()
