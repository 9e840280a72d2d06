"""Files that belong to records: where they are, how they are named, what tells their versions apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from vault.source.rest import exact_json, templates
from vault.source.rest.description import Attachments
from vault.source.rest.mirror import StoredAttachment

LONGEST_NAME = 150
"""Bytes of a name."""

FOLDER = "attachments"


class AttachmentSource(Struct, frozen=True):
    """Where the bytes are: an address, or a path below the base. size: how many there are; None where that is not said."""

    url: str = ""
    path: str = ""
    size: int | None = None

    @classmethod
    def of_text(cls, text: str) -> AttachmentSource:
        return msgspec.json.decode(text, type=cls)


def found_in(record: dict[str, Any], key: str, wanted: Attachments) -> tuple[list[StoredAttachment], int]:
    """The files of a record, and how many were described without what is needed to fetch them."""
    found: dict[str, StoredAttachment] = {}
    bad = 0
    for one in [one for pointer in wanted.records.split(",") for one in exact_json.all_at(record, pointer.strip())]:
        if not isinstance(one, dict):
            bad += 1
            continue
        if wanted.when and exact_json.at(one, wanted.when) in (None, "", False, "0", [], {}):
            continue
        number = exact_json.as_text(exact_json.at(one, wanted.key))
        source = _source(one, number, _size(one, wanted), wanted)
        path = path_of(one, key, wanted)
        if number is None or source is None or path is None:
            bad += 1
            continue
        name = exact_json.as_text(exact_json.at(one, wanted.name)) or ""
        version = [exact_json.at(one, pointer) for pointer in wanted.version]
        token = blake2b(exact_json.dump([number, name, version]), digest_size=16).digest()
        found[path] = StoredAttachment(path, msgspec.json.encode(source).decode(), token)
    return list(found.values()), bad


def path_of(one: dict[str, Any], key: str, wanted: Attachments) -> str | None:
    """The path below the resource's attachments of a file that is described so; None where it has no key. key: of its
    record."""
    number = exact_json.as_text(exact_json.at(one, wanted.key))
    if number is None:
        return None
    name = exact_json.as_text(exact_json.at(one, wanted.name)) or ""
    return f"{safe_name(key)}/{safe_name(f'{number}-{name}' if name else number)}"


def _size(one: dict[str, Any], wanted: Attachments) -> int | None:
    text = exact_json.as_text(exact_json.at(one, wanted.size)) if wanted.size else None
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _source(one: dict[str, Any], number: str | None, size: int | None, wanted: Attachments) -> AttachmentSource | None:
    if wanted.url:
        url = exact_json.at(one, wanted.url)
        return AttachmentSource(url=url, size=size) if isinstance(url, str) and url else None

    def fill(name: str) -> str:
        value = number if name == "key" else exact_json.as_text(exact_json.at(one, name.removeprefix("attachment.")))
        return value or ""

    return AttachmentSource(path=templates.path(wanted.path, fill), size=size)


def safe_name(text: str) -> str:
    """A name that a path can have: control characters, slashes and the sign for them as `%XX`; a long one is cut, with a hash
    in it and its ending kept."""
    text = text.encode("utf-8", "replace").decode()
    name = "".join(f"%{ord(char):02X}" if char in "/\\%" or char < " " or char == "\x7f" else char for char in text)
    name = "".join(char if char.isprintable() else "_" for char in name)
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    data = name.encode()
    if len(data) <= LONGEST_NAME:
        return name or "_"
    stem, dot, ending = name.rpartition(".")
    ending = f".{ending}" if dot and len(ending.encode()) <= 10 else ""
    mark = f"~{blake2b(data, digest_size=6).hexdigest()}{ending}"
    kept = (stem if ending else name).encode()[: LONGEST_NAME - len(mark.encode())]
    return kept.decode("utf-8", "ignore") + mark
