"""A copy of a settings file as it lies (sealed) in the repository: one line of JSON, and a second line with tags over it.

Sealing says nothing about who wrote, and settings name commands that will be run. So every copy is tagged with the keys of
each project that its writer could open: who holds no keys of the repository cannot make one that a reader believes.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from vault.errors import Damaged, Unstorable
from vault.format import strict_json
from vault.format.envelope import tag
from vault.hidden_fields import HidesFields

LARGEST = 4 * 1024 * 1024
"""Bytes of a copy before it is sealed."""

MOST_RECIPIENTS = 32
"""Whose stanzas fit into the header of an age file."""

TagKeys = Mapping[str, bytes]
"""The tag keys of projects, by their ids."""


class Decoded(NamedTuple):
    """vouched: the projects, by id, whose keys its writer had; only those that the reader has the keys of."""

    copy: SettingsCopy
    vouched: frozenset[str]


class SettingsCopy(HidesFields, frozen=True):
    """repository, id: where it belongs · host, file: whose settings they are, and the absolute path of the file there · writer:
    program and version · recipients: public keys that it is sealed to · text: the file."""

    repository: str
    id: str
    host: str
    file: str
    written_at: datetime
    writer: str
    recipients: tuple[str, ...]
    text: str

    def __repr__(self) -> str:
        return f"SettingsCopy({self.id}, {self.host}, {self.file})"  # settings are nobody else's business

    def encode(self, name: str, keys: TagKeys) -> bytes:
        """As stored, before it is sealed. name: under which it will be stored · keys: of every project that can be opened.
        Raises `Unstorable` where no reader would take it."""
        value: dict[str, Any] = {
            "record": "settings",
            "repository": self.repository,
            "id": self.id,
            "host": self.host,
            "file": self.file,
            "written_at": strict_json.write_moment(self.written_at),
            "writer": self.writer,
            "recipients": list(self.recipients),
            "text": self.text,
        }
        try:
            body = strict_json.dump(value)
        except ValueError as error:
            raise Unstorable(f"a copy of the settings cannot be written: {error}") from error
        tags = {project: tag(body, key, name, project).hex() for project, key in sorted(keys.items())}
        data = body + b"\n" + strict_json.dump({"tags": tags}) + b"\n"
        if len(data) > LARGEST or len(self.recipients) > MOST_RECIPIENTS:
            raise Unstorable(
                f"a copy of the settings would have {len(data)} bytes for {len(self.recipients)} recipients, and more than "
                f"{LARGEST} for {MOST_RECIPIENTS} are never read; it was not written"
            )
        return data

    @classmethod
    def decode(cls, data: bytes | bytearray, name: str, keys: TagKeys, repository: str) -> Decoded:
        """Read back. name: under which it was found · keys: of the projects that the reader can open. Raises `Damaged`, also
        where one of these projects' tags is wrong."""
        what = f"the copy of settings {name}"
        if len(data) > LARGEST:
            raise Damaged(f"{what} is {len(data)} bytes long; more than {LARGEST} is never written")
        lines = bytes(data).split(b"\n")
        if len(lines) != 3 or lines[2]:
            raise Damaged(f"{what} is not a line of JSON and a line of tags")
        value = strict_json.load(lines[0], what, largest=LARGEST)
        if strict_json.field(value, "record", str, what) != "settings":
            raise Damaged(f"{what} is another kind of record")
        recipients = strict_json.field(value, "recipients", list, what)
        copy = cls(
            repository=strict_json.field(value, "repository", str, what),
            id=strict_json.field(value, "id", str, what),
            host=_text(value, "host", what),
            file=_text(value, "file", what),
            written_at=strict_json.moment(value, "written_at", what),
            writer=_text(value, "writer", what),
            recipients=tuple(one for one in recipients if isinstance(one, str)),
            text=_text(value, "text", what),
        )
        if copy.repository != repository or copy.id != name.rpartition("/")[2]:
            raise Damaged(f"{what} belongs to another repository, or was swapped for another")
        return Decoded(copy, _vouched(lines, name, keys, what))


def _text(value: dict[str, Any], name: str, what: str) -> str:
    """A field that will be shown or written to a file. Raises `Damaged` for half of a surrogate pair, which no file takes."""
    text = strict_json.field(value, name, str, what)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Damaged(f"{what}: {name!r} is not valid Unicode") from error
    return text


def _vouched(lines: list[bytes], name: str, keys: TagKeys, what: str) -> frozenset[str]:
    tags = strict_json.field(strict_json.load(lines[1], what, largest=LARGEST), "tags", dict, what)
    for project in tags.keys() & keys.keys():
        stated = strict_json.hexadecimal(tags, project, 32, what)
        if not hmac.compare_digest(stated, tag(lines[0], keys[project], name, project)):
            raise Damaged(f"{what} was not written with the keys of project {project}, or was swapped for another")
    return frozenset(tags.keys() & keys.keys())
