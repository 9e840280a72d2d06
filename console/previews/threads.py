"""A record as people read a ticket: its fields, and each list of records in it as a thread of who wrote what, and when.

Help desks name these fields in their own ways; what is not recognised is shown by its name, and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from strongroom.mail_preview import text_of_html
from strongroom.table_preview import ShownRecord

KEYS = ("id", "key", "ID", "number", "uuid")
TITLES = ("subject", "title", "summary", "Subject", "name", "TITLE")
AUTHORS = (
    "author",
    "from",
    "user",
    "sender",
    "created_by",
    "creator",
    "Creator",
    "author_name",
    "author_id",
    "agent",
    "from_email",
)
MOMENTS = ("created_at", "created", "date", "Created", "time", "timestamp", "updated_at", "submit_date")
BODIES = ("plain_body", "body_text", "body", "text", "comment", "message", "content", "Content", "description", "html_body")
NAMES = ("name", "displayName", "display_name", "email", "login", "username", "id")
_DEEPEST = 6

Fields = tuple[tuple[str, str], ...]


class Entry(Struct, frozen=True):
    """What one wrote, or did. others: the rest of its fields, as text."""

    author: str
    moment: str
    body: str
    others: Fields


class Section(Struct, frozen=True):
    """A list of records in the record. name: of the field, such as `comments`."""

    name: str
    entries: tuple[Entry, ...]


class Thread(Struct, frozen=True):
    """A record. number: of its row, from 0 · key: its id as text; "" where it has none · body: its own longest text."""

    number: int
    key: str
    title: str
    body: str
    fields: Fields
    sections: tuple[Section, ...]


def thread_of(record: ShownRecord) -> Thread:
    """A record of a table, for people."""
    named = dict(record.fields)
    title_name = _first(named, TITLES)
    body_name = _first(named, BODIES)
    sections, fields = [], []
    for name, value in record.fields:
        if _is_records(value):
            sections.append(Section(name, tuple(_entry(one) for one in value)))
        elif name not in (title_name, body_name):
            fields.append((name, _flat(value)))
    return Thread(
        number=record.number,
        key=_flat(named.get(_first(named, KEYS) or "", "")),
        title=_flat(named.get(title_name or "", "")),
        body=_plain(named.get(body_name or "", "")),
        fields=tuple(fields),
        sections=tuple(sections),
    )


def _entry(value: Any) -> Entry:  # noqa: ANN401 (what JSON holds)
    if not isinstance(value, dict):
        return Entry("", "", _flat(value), ())
    author, moment, body = (_first(value, names) for names in (AUTHORS, MOMENTS, BODIES))
    others = tuple(
        (name, _flat(own)) for name, own in value.items() if name not in (author, moment, body) and own not in (None, "")
    )
    return Entry(_named(value.get(author or "")), _flat(value.get(moment or "", "")), _plain(value.get(body or "", "")), others)


def _first(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if value.get(name) not in (None, "", [], {})), None)


def _named(value: Any) -> str:  # noqa: ANN401 (what JSON holds)
    """Somebody, by the name in it."""
    if isinstance(value, dict):
        return _flat(value.get(_first(value, NAMES) or "", value))
    return _flat(value)


def _plain(value: Any) -> str:  # noqa: ANN401 (what JSON holds)
    text = _flat(value)
    return text_of_html(text) if "<" in text and ">" in text else text


def _flat(value: Any, depth: int = 0) -> str:  # noqa: ANN401 (what JSON holds)
    """In one text; nested names before their values."""
    if value is None:
        return ""
    if isinstance(value, dict) and depth < _DEEPEST:
        return ", ".join(f"{name}: {_flat(own, depth + 1)}" for name, own in value.items() if own not in (None, ""))
    if isinstance(value, list) and depth < _DEEPEST:
        return ", ".join(_flat(own, depth + 1) for own in value)
    return str(value)


def _is_records(value: Any) -> bool:  # noqa: ANN401 (what JSON holds)
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)
