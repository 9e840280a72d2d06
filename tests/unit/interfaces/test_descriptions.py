"""The section `create` of a description: what is wrong in it is said where it stands."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.creating_desk import DESCRIPTION
from vault.source.rest.description_faults import DescriptionError
from vault.source.rest.description_parsing import parse
from vault.source.rest.source import RestOptions

CREATE = "resources.tickets.create"


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ('body = { ref = "{unfinished}" }', 'body = { ref = "{unfinsihed}" }', f"{CREATE}.body", "has {unfinsihed}, which"),
        ('id = "ticket.id"', "id = 3", f"{CREATE}.id", "must be a text"),
        ('find = { par', 'find = { lag = "soon", par', f"{CREATE}.find.lag", "must be a duration"),
        ("at = \"ref\"", "att = \"ref\"", f"{CREATE}.find.att", "is not known"),
        ('"record.queue"', '"rekord.queue"', f"{CREATE}.references", "'rekord.queue', which is not known"),
        ('by = "name"', 'buy = "name"', f"{CREATE}.references.record.queue.buy", "is not known"),
        ('records = "comments"\n', "", f"{CREATE}.children.comments.records", "is missing"),
        ('"{child.text}"', '"{kid.text}"', f"{CREATE}.children.comments", "has {kid.text}"),
        ('format = "multipart"', 'format = "xml"', f"{CREATE}.children.comments.format", "cannot be used"),
        ('path = "tickets/{new}"', "", f"{CREATE}.then.state.path", "is missing"),
        ('detail = "tickets/{key}"\n', "", "resources.tickets.create", "needs read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(old: str, new: str, key: str, what: str) -> None:
    assert old in DESCRIPTION
    with pytest.raises(DescriptionError) as error:
        parse(tomllib.loads(DESCRIPTION.replace(old, new, 1)))
    assert ".".join(map(str, error.value.key)) == key and what in error.value.what


def test_how_records_are_created_changes_no_fingerprint_of_what_was_read() -> None:
    before, _, rest = DESCRIPTION.partition("[resources.tickets.create]")
    queues = rest[rest.index("[resources.queues]") :]
    whole, plain = parse(tomllib.loads(DESCRIPTION)), parse(tomllib.loads(before + queues))
    assert RestOptions(whole, "x", Path()).fingerprint == RestOptions(plain, "x", Path()).fingerprint
