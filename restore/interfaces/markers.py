"""The texts by which what was created is found again, whoever looks, from whichever machine.

strongroom:tickets/4711/0123456789abcdef01234567              all of it is there
strongroom-unfinished:tickets/4711/0123456789abcdef01234567   it was begun

The last part is a hash of the project, the source, the sort of record and its key: the same for every snapshot.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from blake3 import blake3

_FINISHED, _UNFINISHED = "strongroom", "strongroom-unfinished"
_MARKER = re.compile(r"(strongroom(?:-unfinished)?):([a-z0-9_-]{1,60}/[A-Za-z0-9._-]{0,40}/[0-9a-f]{24})(?![0-9A-Za-z/])")
_LONGEST_KEY = 40


class Marker(NamedTuple):
    """Of one record. body: what stands behind the colon."""

    body: str

    @property
    def finished(self) -> str:
        """Once all of it is there."""
        return f"{_FINISHED}:{self.body}"

    @property
    def unfinished(self) -> str:
        """Until then."""
        return f"{_UNFINISHED}:{self.body}"

    def of_child(self, name: str, key: str) -> str:
        """Of something that belongs to it. name: of the section."""
        digest = blake3(f"{self.body}\0{name}\0{key}".encode("utf-8", "surrogatepass")).hexdigest(length=12)
        return f"{self.unfinished}/{digest}"


def marker_of(project: str, source: str, resource: str, key: str) -> Marker:
    """project: its id."""
    whole = "\0".join((project, source, resource, key))
    digest = blake3(whole.encode("utf-8", "surrogatepass")).hexdigest(length=12)
    return Marker(f"{resource}/{re.sub(r'[^A-Za-z0-9._-]', '_', key)[:_LONGEST_KEY]}/{digest}")


def markers_in(text: str) -> list[tuple[str, bool]]:
    """The bodies of markers of records in a text, and whether each is finished."""
    return [(found[2], found[1] == _FINISHED) for found in _MARKER.finditer(text)]
