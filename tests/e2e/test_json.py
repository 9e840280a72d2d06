"""What all JSON documents have in common, and words that mean one thing only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files


@pytest.fixture
def numbered(desk: Desk) -> Desk:
    """Two projects, one of which has a number for a name; both have snapshots."""
    desk.init()
    for project in ("acme", "42"):
        write_files(desk.folder / project, {"2024/calls-05.csv": b"time,n\n2024-05-17,1\n"})
        desk.add(project, f"reports={desk.folder / project}")
    desk.call("backup", "--quiet")
    return desk


def values_of(document: Any, name: str) -> Iterator[Any]:
    """Every value under a name, at any depth."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    if isinstance(document, dict) and name in document:
        yield document[name]
    for one in inner:
        yield from values_of(one, name)


COMMANDS = [
    ("project", "list"),
    ("list",),
    ("ls", "acme"),
    ("find", "acme"),
    ("history", "acme", "**/*.csv"),
    ("diff", "acme", "--since", "2199-01-01"),
    ("backup",),
    ("restore", "acme", "--to", "out", "--as", "xlsx"),
    ("export", "acme", "--to", "bag"),
    ("retention", "plan"),
    ("retention", "apply", "--yes"),
    ("hold", "add", "acme", "--reason", "a test"),
    ("hold", "list"),
    ("prune", "--yes"),
    ("check",),
    ("drill",),
    ("status",),
]


def test_project_is_the_name_and_project_id_the_id_in_every_document(numbered: Desk) -> None:
    seen = 0
    for command in COMMANDS:
        document = numbered.call(*command, "--json").document
        names, ids = list(values_of(document, "project")), list(values_of(document, "project_id"))
        assert set(names) <= {"acme", "42"}, (command, names)
        assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids), (command, ids)
        seen += bool(names)
    assert seen > len(COMMANDS) - 3


def test_a_project_may_be_named_like_a_number_beside_a_percentage(numbered: Desk) -> None:
    (one,) = numbered.call("check", "--data", "42", "--json").document["projects"]
    assert (one["project"], one["packs_read"] > 0) == ("42", True)
    both = numbered.call("check", "--data", "100%", "--json").document["projects"]
    assert {one["project"] for one in both} == {"acme", "42"}
    assert "7" in refusal(numbered.call("check", "--data", "7", exits=2)), "no project of that name"


@pytest.mark.parametrize(
    "command",
    [
        ("ls", "acme"),
        ("restore", "acme", "--to", "out"),
        ("find", "acme"),
        ("export", "acme", "--to", "bag"),
        ("backup", "acme"),
    ],
)
def test_a_source_that_does_not_exist_is_told_with_those_that_do(numbered: Desk, command: tuple[str, ...]) -> None:
    told = refusal(numbered.call(*command, "--source", "typo", exits=2))
    assert "typo" in told and "there are: reports" in told
