"""Descriptions of interfaces: what is wrong is said where it stands."""

from __future__ import annotations

import tomllib

import pytest

from vault.source.rest.description_faults import DescriptionError
from vault.source.rest.description_parsing import parse

GOOD = """
title = "a desk"
base = "https://desk.example.com/api/"
[auth]
type = "header"
name = "X-Key"
[limits]
requests_per_second = 2
[limits.operating]
used = "time.operating"
reset_at = "time.reset"
most = 400.0
[resources.tickets]
path = "tickets"
records = "results"
time = "created"
[resources.tickets.paging]
type = "page"
parameter = "page"
[resources.tickets.incremental]
field = "modified"
parameters = { since = "{since}" }
[resources.tickets.children.comments]
path = "tickets/{key}/comments"
[resources.tickets.attachments]
records = "comments.files"
url = "href"
"""


def test_a_description_is_read_with_all_its_parts() -> None:
    found = parse(tomllib.loads(GOOD))
    tickets = found.resources["tickets"]
    assert found.limits.operating is not None and found.limits.operating.most == 400
    assert tickets.children["comments"].path == "tickets/{key}/comments" and tickets.attachments is not None
    assert tickets.incremental is not None and tickets.incremental.overlap == "10 minutes"


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("records = \"results\"", "recrods = 'x'", "resources.tickets.recrods", "is not known"),
        ('path = "tickets"\n', "", "resources.tickets.path", "is missing"),
        ('type = "page"', 'type = "pages"', "resources.tickets.paging.type", "cannot be used"),
        ('parameter = "page"', "", "resources.tickets.paging.parameter", "is missing: paging by page needs one"),
        ("requests_per_second = 2", 'requests_per_second = "2"', "limits.requests_per_second", "must be a number"),
        ("most = 400.0", "most = 0.0", "limits.operating.most", "must be more than 0"),
        ('name = "X-Key"', "", "auth.name", "is missing: a header needs one"),
        ("{since}", "{sicne}", "resources.tickets.incremental.parameters", "has {sicne}, which is not known"),
        ("tickets/{key}/comments", "tickets/{id}/comments", "resources.tickets.children.comments.path", "has {id}"),
        ('url = "href"', "", "resources.tickets.attachments.url", "or path must say"),
        ('title = "a desk"', "", "title", "is missing"),
        ("[resources.tickets]", "[resources.Tickets]\npath='a'\n[resources.tickets]", "resources", "has the name 'Tickets'"),
        ('title = "a desk"', 'title = "a desk"\nresources = 3', "resources", "must be a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(old: str, new: str, key: str, what: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    value = tomllib.loads(text) if "resources = 3" not in new else {"title": "x", "resources": 3}
    with pytest.raises(DescriptionError) as error:
        parse(value)
    assert ".".join(map(str, error.value.key)) == key and what in error.value.what
