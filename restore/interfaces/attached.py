"""Files that belong to records, out of the snapshot: described by the record, fetched one after another."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from restore.interfaces.matching import entries
from restore.interfaces.scope import Scope, as_text
from vault.source.rest import exact_json
from vault.source.rest.attachments import path_of
from vault.source.rest.creation import Files
from vault.source.rest.description import Resource

LARGEST = 64 << 20
"""Bytes of all files of one request."""

UNKNOWN_TYPE = "application/octet-stream"


class NotInSnapshot(Exception):
    """A file that cannot be had. reason: for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Fetch = Callable[[str, int], bytes]
"""Gives an attachment by its path below the resource's attachments, and so many bytes at most. Raises `NotInSnapshot`."""


class AttachedFile(Struct, frozen=True):
    """name, type: as they are sent · content: its bytes · about: what the record says of it."""

    name: str
    type: str
    content: bytes
    about: dict[str, Any]

    def as_root(self) -> dict[str, Any]:
        """For templates."""
        return {
            "name": self.name,
            "type": self.type,
            "size": exact_json.Number(len(self.content)),
            "base64": base64.b64encode(self.content).decode(),
        }


class FoundFiles(Struct, frozen=True):
    """lost: files that cannot be had, each as a sentence."""

    files: tuple[AttachedFile, ...] = ()
    lost: tuple[str, ...] = ()


def described(scope: Scope, wanted: Files | None) -> list[dict[str, Any]]:
    """What the record says of its files."""
    return [] if wanted is None else entries(scope, wanted.records, wanted.match)


def fetched(scope: Scope, key: str, wanted: Files | None, resource: Resource, fetch: Fetch) -> FoundFiles:
    """The files of a record, or of what belongs to it. key: of the record."""
    attachments = resource.attachments
    if wanted is None or attachments is None:
        return FoundFiles()
    files: list[AttachedFile] = []
    lost: list[str] = []
    size = 0
    for one in described(scope, wanted):
        path = path_of(one, key, attachments)
        if path is None:
            continue
        name = as_text(exact_json.at(one, attachments.name)) or path.rpartition("/")[2]
        try:
            content = fetch(path, LARGEST - size)
        except NotInSnapshot as error:
            lost.append(f"the file {_printable(name)}: {error.reason}")
            continue
        size += len(content)
        kind = as_text(exact_json.at(one, wanted.type)) if wanted.type else ""
        files.append(AttachedFile(name, kind or UNKNOWN_TYPE, content, one))
    return FoundFiles(tuple(files), tuple(lost))


def names(files: Sequence[AttachedFile]) -> list[str]:
    """Of files."""
    return [one.name for one in files]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:80])
