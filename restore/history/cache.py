"""The ledgers of a project as a file on this machine: what was read once need not be read again.

It holds names, so it is sealed to the project's catalogue key, as everything that names are in; and it says what the store
does not, so it bears a tag of the project's key: who can write to the cache can neither read it nor have it believed. It may
be deleted at any time; what cannot be read or is not ours counts as not there.

    age file: tag (32 bytes) · length of the head (4 bytes) · head (JSON) · the blobs that the head tells the lengths of
"""

from __future__ import annotations

import hmac
import os
import struct
from pathlib import Path
from typing import Any

from restore.history import ledger
from restore.history.ledger import Ledger
from vault.errors import Damaged
from vault.format import envelope, strict_json
from vault.format.snapshot_record import Record, decode_record
from vault.repository.project import Project
from vault.repository.state_files import StateFiles

VERSION = 3
"""Of this file's layout and of what makes a version: a file of another one counts as not there."""

LARGEST_HEAD = 1 << 26
LARGEST_FILE = 1 << 30
"""Bytes; a larger history is not kept."""

_TAG, _LENGTH = 32, struct.Struct("<I")


class HistoryCache:
    """See this module's text. folder: of the repository's cache."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project = project
        self._name = f"history/{project.id}"
        self._file = folder / "history" / project.id

    def load(self) -> dict[str, Ledger]:
        """The ledgers, by source; none where there is no file that can be used."""
        try:
            if self._file.stat().st_size > LARGEST_FILE:
                return {}
            plain = self._project.open_catalogue(self._file.read_bytes())
            os.utime(self._file)  # the cache is thinned by last use
            return self._decode(memoryview(plain))
        except (OSError, Damaged):
            return {}

    def save(self, ledgers: dict[str, Ledger]) -> None:
        """Instead of what was there. A cache that cannot be written is no failure."""
        plain = self._encode(ledgers)
        if len(plain) > LARGEST_FILE * 9 // 10:
            return
        sealed = self._project.seal_catalogue(plain)
        del plain
        StateFiles(self._file.parent, self._project.services.randomness).write_file(self._file, sealed)

    def _encode(self, ledgers: dict[str, Ledger]) -> bytearray:
        head: dict[str, Any] = {"version": VERSION, "sources": []}
        blobs: list[bytes] = []
        for source, one in ledgers.items():
            one.settle()
            pieces = [ledger.encode(one.open_rows), *one.closed]
            lengths = [len(piece) for piece in pieces]
            records = [record.as_json() | {"problems": []} for record in one.records]
            head["sources"].append({"source": source, "records": records, "pieces": lengths})
            blobs += pieces
        written = strict_json.dump(head)
        plain = bytearray().join([bytes(_TAG), _LENGTH.pack(len(written)), written, *blobs])
        plain[:_TAG] = self._tag(memoryview(plain)[_TAG:])
        return plain

    def _decode(self, plain: memoryview) -> dict[str, Ledger]:
        body = plain[_TAG:]
        if not hmac.compare_digest(bytes(plain[:_TAG]), self._tag(body)):
            raise Damaged("the history that is kept here was not written with this project's keys")
        (length,) = _LENGTH.unpack(body[: _LENGTH.size])
        at = _LENGTH.size + length
        head = strict_json.load(body[_LENGTH.size : at], "the kept history", largest=LARGEST_HEAD)
        if head.get("version") != VERSION:
            return {}
        found = {}
        for one in strict_json.field(head, "sources", list, "the kept history"):
            pieces = []
            for size in one["pieces"]:
                pieces.append(bytes(body[at : at + size]))
                at += size
            records = [_record(value) for value in one["records"]]
            found[one["source"]] = Ledger(records, pieces[1:], ledger.decode(pieces[0]))
        return found

    def _tag(self, body: memoryview) -> bytes:
        return envelope.tag(body, self._project.capability.tag_key, self._name, self._project.id)


def _record(value: dict[str, Any]) -> Record:
    record = decode_record(value, strict_json.field(value, "id", str, "a kept record"))
    if record is None:
        raise Damaged("the history in the cache holds a record that a prune has deleted")
    return record
