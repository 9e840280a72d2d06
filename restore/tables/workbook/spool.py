"""A temporary file without a name, written once and then read anywhere, from any thread. It goes when nobody holds it."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import IO


class Spool:
    """Bytes on the disk. Read with `pread` and not through a map, whose pages would count as our memory."""

    def __init__(self) -> None:
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
        self._file = file
        self._close = weakref.finalize(self, file.close)
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self.size += len(data)

    def written(self) -> None:
        """All is written; what follows is reading."""
        self._file.flush()

    def read(self, start: int, end: int) -> bytes:
        """A span."""
        return os.pread(self._file.fileno(), end - start, start)

    def close(self) -> None:
        """Let the disk have it back early."""
        self._close()
