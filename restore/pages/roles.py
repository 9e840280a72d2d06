"""Which field of a record is its title, who wrote it, what it says, when, and which lists are comments.

What a description says counts; else the usual names are looked for, in small letters and without signs between words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from restore.history.records.record_id import value_at
from restore.tables.model import Value

TITLES = ("subject", "title", "summary", "name", "displayname", "fullname", "topic", "shortdescription", "realname")
AUTHORS = (
    *("author", "from", "fromemail", "createdby", "creator", "reporter", "requester", "submitter", "submitteremail", "sender"),
    *("user", "requestor", "requestors", "authorname", "username", "authorid", "creatorid", "requesterid", "submitterid"),
    "userid",
)
BODIES = (
    *("plainbody", "bodytext", "descriptiontext", "body", "text", "comment", "message", "content", "description", "note"),
    *("notes", "details", "transcript", "postmessage", "htmlbody", "html"),
)
TIMES = (
    *("created", "createdat", "createdon", "createdtime", "datecreated", "datecreate", "creationdate", "createddate", "date"),
    *("sentat", "postedat", "postdate", "startedat", "time", "timestamp", "datetime"),
)
NAMES = ("displayname", "fullname", "name", "realname", "username", "login", "email", "emailaddress", "value", "id")
"""What stands for a person or a thing that is an object."""

INNER = "fields"
"""Some interfaces have all fields of a record within one."""

MOST_NAMED = 200
LONGEST_NAME = 64
_SECONDS, _MILLISECONDS = (10**9, 10**10), (10**12, 10**13)
_DELETED_WORDS = frozenset(("deleted", "removed", "trash", "trashed"))
_DELETED_FLAGS = frozenset(("deleted", "isdeleted", "trashed", "intrash", "istrashed"))


class PageRoles(Struct, frozen=True):
    """Pointers that a description states; "" or none where it says nothing. comments: to lists of comments · comment_…: within
    one of them."""

    title: str = ""
    author: str = ""
    body: str = ""
    time: str = ""
    comments: tuple[str, ...] = ()
    comment_author: str = ""
    comment_body: str = ""
    comment_time: str = ""

    def of_comments(self) -> PageRoles:
        """Those of a comment, as if it were a record."""
        return PageRoles(author=self.comment_author, body=self.comment_body, time=self.comment_time)


class Field(Struct, frozen=True):
    """A field that was found. name: its pointer; "" for none."""

    name: str = ""
    value: Value = None


def role(record: Mapping[str, Value], stated: str, names: Sequence[str]) -> Field:
    """The field that has a role; an empty one where no field has."""
    if stated:
        return Field(stated, value_at(record, stated))
    inner = record.get(INNER)
    places: list[tuple[str, Mapping[str, Value]]] = [("", record)]
    if isinstance(inner, dict):
        places.append((f"{INNER}.", inner))
    for prefix, where in places:
        plain = {plain_name(name): name for name in where}
        for name in names:
            own = plain.get(name)
            if own is not None and where[own] not in (None, "", [], {}):
                return Field(prefix + own, where[own])
    return Field()


def threads(record: Mapping[str, Value], roles: PageRoles) -> Iterator[tuple[str, Sequence[Mapping[str, Value]]]]:
    """The lists of comments of a record, by name, each in the order of its times where all have one."""
    if roles.comments:
        found = [(name, value_at(record, name)) for name in roles.comments]
    else:
        found = [(name, value) for name, value in record.items() if _is_thread(value)]
    for name, value in found:
        if isinstance(value, list) and value:
            comments = [one if isinstance(one, dict) else {"text": one} for one in value]
            yield name, in_order(comments, roles.of_comments())


def in_order(comments: Sequence[Mapping[str, Value]], roles: PageRoles) -> Sequence[Mapping[str, Value]]:
    """By time, where all have one; else as they stand."""
    times = [moment(role(one, roles.time, TIMES).value) for one in comments]
    if any(one is None for one in times):
        return comments
    order = sorted(range(len(comments)), key=lambda place: times[place] or datetime.min.replace(tzinfo=UTC))
    return [comments[place] for place in order]


def moment(value: Value) -> datetime | None:
    """A time, if it is one; without a zone it counts as UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        for (low, high), unit in ((_SECONDS, 1), (_MILLISECONDS, 1000)):
            if low <= value < high:
                return datetime.fromtimestamp(float(value) / unit, UTC)
        return None
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_deleted(record: Mapping[str, Value]) -> bool:
    """Whether a record says of itself that it was deleted, as interfaces do that list deleted ones."""
    for name, value in record.items():
        plain = plain_name(name)
        if plain in ("status", "state") and isinstance(value, str) and value.casefold() in _DELETED_WORDS:
            return True
        if plain in _DELETED_FLAGS and (value is True or value in (1, "1", "Y", "y", "true", "yes")):
            return True
        if plain in ("deletedat", "deletedon", "datedeleted") and value not in (None, "", 0, False):
            return True
    return False


def name_of(value: Value) -> str:
    """A person or a thing in a word."""
    if isinstance(value, list):
        return ", ".join(filter(None, (name_of(one) for one in value[:MOST_NAMED])))
    if not isinstance(value, dict):
        return "" if value is None else number_text(value)
    plain = {plain_name(name): one for name, one in value.items()}
    found = next((plain[name] for name in NAMES if isinstance(plain.get(name), str | int) and plain[name] != ""), None)
    return "" if found is None else number_text(found)


def number_text(value: Value) -> str:
    """A plain value as it was sent."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else str(value)


def plain_name(name: str) -> str:
    """A field's name without signs between words, in small letters; "" for one that is too long to mean anything."""
    return _plain(name) if len(name) <= LONGEST_NAME else ""


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "").casefold()


def _is_thread(value: Value) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return False
    said = 0
    for one in value:
        if isinstance(one, dict):
            is_said = bool(role(one, "", BODIES).name)
            said += bool(role(one, "", TIMES).name) and (is_said or bool(role(one, "", AUTHORS).name))
    return said * 2 >= len(value)
