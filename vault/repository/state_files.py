"""Lists of lines in JSON files of bounded size, in a private folder. A file that cannot be read has no lines, and one that
cannot be written is no failure: nothing may depend on these lists."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from vault.randomness import Randomness

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Of a file that is read; a longer list is kept in several."""

LINES_IN_FILE = 50_000
"""Of at most about 200 bytes each, as the lock of a pack takes."""

MAX_FILES = 100
"""Of one list: five million lines, which are 150 TB of locked packs."""


class StateFiles(Struct, frozen=True):
    """folder: created (0700) with the first write."""

    folder: Path
    randomness: Randomness

    def read_lines(self, name: str) -> list[str]:
        """The lines of a list; none where it is missing or cannot be read."""
        lines: list[str] = []
        for number in range(MAX_FILES):
            part = _read_file(self._file(name, number))
            if part is None:
                break
            lines += part
        return lines

    def write_lines(self, name: str, lines: list[str]) -> None:
        """Replace a list. The last file is written first: an interruption leaves lines twice rather than not at all."""
        parts = [lines[start : start + LINES_IN_FILE] for start in range(0, len(lines), LINES_IN_FILE)][:MAX_FILES] or [[]]
        for number in reversed(range(len(parts))):
            self.write_file(self._file(name, number), json.dumps(parts[number]).encode())
        for number in range(len(parts), MAX_FILES):
            try:
                self._file(name, number).unlink()
            except OSError:
                break  # there are no more

    def delete_lists(self) -> None:
        """Delete every list."""
        for file in self.folder.glob("*.json"):
            with suppress(OSError):
                file.unlink()

    def write_file(self, file: Path, data: bytes | bytearray) -> None:
        """Replace a file (0600) below the folder at once. Where there is no room for it, nothing of it is left."""
        temporary = file.with_name(f"{file.name}.{self.randomness.token(4).hex()}")
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    out.write(data)
                temporary.replace(file)
            finally:
                temporary.unlink(missing_ok=True)

    def _file(self, name: str, number: int) -> Path:
        return self.folder / (f"{name}.{number}.json" if number else f"{name}.json")


def _read_file(file: Path) -> list[str] | None:
    """The lines of a file; None where it is missing or cannot be read."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return None
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return [str(line) for line in found] if isinstance(found, list) else None
