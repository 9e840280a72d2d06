"""Credentials that may put, get and list, and delete nothing: backups go on, retention too, and prune is for others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from moto.core.authorization import enable_iam_authentication
from msgspec.structs import replace

from strongroom import environment
from tests.e2e.test_story import Calendar
from tests.support.buckets import append_only_user
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import BUCKET
from tests.support.tree_facts import tree_facts, write_files

_numbers = count(1)  # prefixes within one run's servers


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    made = Calendar(timedelta())
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    return made


@pytest.fixture(params=["weed", "moto"])
def poor(request: pytest.FixtureRequest, tmp_path: Path, calendar: Calendar) -> Iterator[Desk]:
    """A desk with one snapshot, and from now on with credentials that may not delete."""
    endpoint: str = request.getfixturevalue(f"{request.param}_endpoint")
    desk = Desk(tmp_path / "desk", Place(f"s3://{BUCKET}/append-{next(_numbers)}", endpoint))
    write_files(desk.folder / "source", {"2024/a.bin": SeededChance("a").token(5000)})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    with desk.settings.open("a") as file:
        file.write('\n[projects.acme.keep]\nlast = 1\nwithin = "1 hour"\n')
    desk.call("backup", "-q")
    user = append_only_user(endpoint, BUCKET)
    with ExitStack() as stack:
        if request.param == "moto":  # it asks for rights only where it is told to
            stack.enter_context(enable_iam_authentication())
        yield replace(desk, variables=user)


def test_backups_and_retention_work_without_the_right_to_delete_and_prune_is_refused(poor: Desk, calendar: Calendar) -> None:
    for number in range(2):
        calendar.ahead += timedelta(days=1)
        write_files(poor.folder / "source", {f"2024/{number}.bin": SeededChance(f"b{number}").token(5000)})
        assert "could not delete the run's claim" in poor.call("backup").err
    unchanged = poor.call("backup", "--json").document["snapshots"][0]
    assert unchanged["claim_stays"] and unchanged["problems"] == 0 and unchanged["read_bytes"] == 0

    poor.call("retention", "apply", "--yes")
    assert len(poor.call("list", "--json").document["projects"][0]["snapshots"]) == 2
    assert "that no snapshot needs go" in poor.call("prune", "--dry-run").text
    refused = poor.call("prune", "--yes", exits=30)
    assert "prune deletes objects, which these credentials may not; nothing was changed" in refused.err
    assert "hint: run prune with credentials that may delete" in refused.err
    poor.call("restore", "acme", "--to", "back")
    assert tree_facts(poor.folder / "back/reports") == tree_facts(poor.folder / "source")
