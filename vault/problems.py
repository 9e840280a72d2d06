"""A problem: one thing that went wrong and did not stop the run. A run with problems ends with exit 3."""

from __future__ import annotations

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One item's trouble.

    path: the item's path in the snapshot (bytes as stored) · what: a short stable word for programs
    (`unreadable`, `changed-while-read`, `vanished-while-read`, `damaged`, …) · message: a sentence for people.
    """

    path: bytes
    what: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Plain values for `--json`; undecodable bytes come out as surrogate escapes turned to \\xNN."""
        return {"path": printable(self.path), "what": self.what, "message": self.message}


def printable(path: bytes) -> str:
    """A path as text that is safe to print: UTF-8 where it is that, \\xNN for other bytes and control characters."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
