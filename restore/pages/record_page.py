"""A record as a page: what it is about, what was written, its fields, its comments in their order, its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from restore.history.records.record_id import id_text
from restore.pages.attached_files import AttachedFile, file_entry, relative_link
from restore.pages.frame import page
from restore.pages.roles import (
    AUTHORS,
    BODIES,
    INNER,
    TIMES,
    TITLES,
    Field,
    PageRoles,
    is_deleted,
    moment,
    name_of,
    number_text,
    role,
    threads,
)
from restore.pages.safe_text import escaped, is_html, shortened, text_of_html
from restore.pages.values import Naming, body_text, fields_table, nobody
from restore.tables.model import Value
from vault.source.rest.attachments import safe_name

INDEX = b"index.html"
LONGEST_HEADING = 1000


class PageFacts(Struct, frozen=True):
    """What a page is of, beside the record. path: of the page · entity: what the record is one of · key: its id · origin: a
    sentence about where it is from · gone_at: when its source no longer had it; None while it has · files: that belong to it ·
    named: says who a number is."""

    path: bytes
    entity: str
    key: str
    origin: str
    roles: PageRoles = PageRoles()
    gone_at: datetime | None = None
    files: Sequence[AttachedFile] = ()
    named: Naming = nobody


class IndexEntry(Struct, frozen=True):
    """A record in the index. moment: its time, where it has one · time: as it is shown."""

    path: bytes
    entity: str
    key: str
    title: str
    author: str
    time: str
    moment: datetime | None
    deleted: bool


def record_page(record: Mapping[str, Value], about: PageFacts) -> tuple[bytes, IndexEntry]:
    """The page, and what the index says of it."""
    roles = about.roles
    title, author = role(record, roles.title, TITLES), role(record, roles.author, AUTHORS)
    body, time = role(record, roles.body, BODIES), role(record, roles.time, TIMES)
    if body.name and body.name == title.name:
        body = Field()
    heading = shortened(_line(title), LONGEST_HEADING) or f"{about.entity} {about.key}"
    entry = IndexEntry(
        path=about.path,
        entity=about.entity,
        key=about.key,
        title=heading,
        author=_who(author, about.named),
        time=_when(time),
        moment=moment(time.value),
        deleted=about.gone_at is not None or is_deleted(record),
    )
    parts = [*_beginning(entry, about)]
    if body.name:
        parts.append(body_text(body.value))
    lists = list(threads(record, roles))
    shown = {*_said(body), *(name for name, _ in lists)}
    parts += ["<h2>Fields</h2>\n", fields_table(_without_inner(record, shown), shown, about.named)]
    for name, comments in lists:
        parts += _thread(name, comments, about)
    if about.files:
        entries = "".join(f"<li>{file_entry(about.path, one)}</li>\n" for one in about.files)
        parts.append(f"<h2>Files ({len(about.files)})</h2>\n<ul>\n{entries}</ul>\n")
    parts.append(f"<footer><p>{escaped(about.origin)}</p></footer>\n")
    return page(f"{about.key}: {heading}", parts), entry


def _beginning(entry: IndexEntry, about: PageFacts) -> Iterator[str]:
    link = escaped(relative_link(about.path, INDEX))
    yield f'<nav><a href="{link}">Index</a></nav>\n<h1 dir="auto">{escaped(entry.title)}</h1>\n'
    facts = (f"{entry.entity} {entry.key}", entry.author, entry.time)
    yield f'<p class="about">{" · ".join(f"<bdi>{escaped(one)}</bdi>" for one in facts if one)}</p>\n'
    if about.gone_at is not None:
        when = about.gone_at.isoformat(" ", "seconds")
        yield f'<p class="deleted">Deleted: its source no longer had it at {escaped(when)}. This is how it was last.</p>\n'
    elif entry.deleted:
        yield '<p class="deleted">Deleted: its source says so of it.</p>\n'


def _thread(name: str, comments: Sequence[Mapping[str, Value]], about: PageFacts) -> Iterator[str]:
    yield f"<h2>{escaped(name)} ({len(comments)})</h2>\n"
    by_name = {one.name: one for one in about.files}
    roles = about.roles.of_comments()
    for comment in comments:
        author, body = role(comment, roles.author, AUTHORS), role(comment, roles.body, BODIES)
        time = role(comment, roles.time, TIMES)
        facts = " · ".join(f"<bdi>{escaped(one)}</bdi>" for one in (_who(author, about.named), _when(time)) if one)
        yield f"<article>\n<header>{facts or '&nbsp;'}</header>\n"
        if body.name:
            yield body_text(body.value)
        own = [by_name[one] for one in _file_names(dict(comment)) if one in by_name] if by_name else []
        if own:
            yield f"<ul>\n{''.join(f'<li>{file_entry(about.path, one)}</li>' for one in dict.fromkeys(own))}\n</ul>\n"
        yield fields_table(comment, _said(body), about.named, all_=False)
        yield "</article>\n"


def _said(body: Field) -> set[str]:
    """The field that is shown whole where the text is: a document of nodes has more than its text."""
    return {body.name} if body.name and not isinstance(body.value, dict | list) else set()


def _file_names(value: Value, depth: int = 0) -> Iterator[str]:
    """Names that files would have whose descriptions lie in a comment: ID-NAME."""
    if depth > 4:
        return
    if isinstance(value, dict):
        number = id_text(value.get("id"))
        if number is not None:
            yield safe_name(number)
            yield from (safe_name(f"{number}-{one}") for one in value.values() if isinstance(one, str) and len(one) < 500)
        for one in value.values():
            yield from _file_names(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _file_names(one, depth + 1)


def _without_inner(record: Mapping[str, Value], shown: set[str]) -> Mapping[str, Value]:
    """The record without those fields within `fields` that are shown elsewhere."""
    inner = record.get(INNER)
    if not isinstance(inner, dict) or not any(name.startswith(f"{INNER}.") for name in shown):
        return record
    return {**record, INNER: {name: one for name, one in inner.items() if f"{INNER}.{name}" not in shown}}


def _line(field: Field) -> str:
    if field.value is None:
        return ""
    text = number_text(field.value) if not isinstance(field.value, dict | list) else name_of(field.value)
    return text_of_html(text) if is_html(text) else text


def _who(field: Field, named: Naming) -> str:
    if not field.name:
        return ""
    value = field.value
    known = named(field.name.rpartition(".")[2], value) if not isinstance(value, dict | list) else ""
    return shortened(known or name_of(value), 200)


def _when(field: Field) -> str:
    value = field.value
    if not field.name or isinstance(value, dict | list):
        return ""
    found = moment(value) if isinstance(value, int | float) else None
    return shortened(number_text(value), 100) if found is None else found.strftime("%Y-%m-%d %H:%M:%S UTC")
