"""A request in words, and what makes two requests the same."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from restore.export.request import ExportRequest, Requester
from restore.export.selection_text import in_words
from restore.selection.query import ItemQuery

REQUEST = ExportRequest(
    Requester("olha@desk", datetime(2026, 11, 22, tzinfo=UTC), "audit"),
    "words",
    {"periods": ["2024"]},
    {"as": "xlsx"},
    ZoneInfo("Europe/Kyiv"),
    None,
    "strongroom/test",
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ItemQuery(), "everything of project acme, as of the newest snapshot"),
        (
            ItemQuery(
                kinds=("reports", "raw"), periods=("2024-Q3",), zone="Europe/Kyiv", at=datetime(2026, 11, 1, 12, tzinfo=UTC)
            ),
            "reports or raw of project acme within 2024-Q3 (Europe/Kyiv), as of 2026-11-01 12:00:00+00:00",
        ),
        (
            ItemQuery(deleted=True, periods=("2024",), overlapping=True),
            "everything of project acme touching 2024 (UTC) that the source no longer had, as of the newest snapshot",
        ),
        (
            ItemQuery(patterns=("a/*", "b"), formats=("csv",), source="s"),
            "everything of project acme from source s with a path like a/* or b in the format csv, as of the newest snapshot",
        ),
        (ItemQuery(versions=None), "everything of project acme in all versions, as of the newest snapshot"),
        (ItemQuery(versions=3), "everything of project acme in the newest 3 versions, as of the newest snapshot"),
    ],
)
def test_a_selection_is_said_in_a_sentence(query: ItemQuery, expected: str) -> None:
    assert in_words("acme", query) == expected


def test_requests_are_the_same_whoever_makes_them_and_when() -> None:
    other = replace(REQUEST, asker=Requester("ivan@other", datetime(2027, 1, 1, tzinfo=UTC), "audit"))
    assert REQUEST.fingerprint("p") == other.fingerprint("p")


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, selection={"periods": ["2025"]}),
        replace(REQUEST, tables={"as": "csv"}),
        replace(REQUEST, zone=ZoneInfo("UTC")),
        replace(REQUEST, asker=replace(REQUEST.asker, reason="another")),
    ],
)
def test_requests_that_mean_something_else_are_told_apart(other: ExportRequest) -> None:
    assert REQUEST.fingerprint("p") != other.fingerprint("p")
    assert REQUEST.fingerprint("p") != REQUEST.fingerprint("q")
