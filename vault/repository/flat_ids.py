"""Sorted chunk ids in flat memory: 40 bytes a chunk, and a microsecond to find one. Needs no Arrow."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left

from vault.format.chunks import ID_SIZE


class FlatIds:
    """ids: sorted, one after another."""

    def __init__(self, ids: bytes | memoryview) -> None:
        self.ids = ids
        self._prefixes = array("Q")
        self._prefixes.frombytes(memoryview(ids).cast("Q")[:: ID_SIZE // 8].tobytes() if len(ids) else b"")
        if sys.byteorder == "little":
            self._prefixes.byteswap()

    def find(self, chunk: bytes) -> int | None:
        """The position of the first such id."""
        prefix = int.from_bytes(chunk[:8], "big")
        place = bisect_left(self._prefixes, prefix)
        while place < len(self._prefixes) and self._prefixes[place] == prefix:
            if self.ids[place * ID_SIZE : (place + 1) * ID_SIZE] == chunk:
                return place
            place += 1
        return None
