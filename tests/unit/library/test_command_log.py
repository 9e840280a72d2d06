"""Every verb is recorded, once, with its selection and its counts, whoever calls it; the store's refusal stops nothing."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from strongroom import audit, audit_verification, command_log, context, settings_changes
from strongroom.audit import FoundEntry
from strongroom.audited_projects import AuditedProject
from strongroom.command_log import recorded, take_unstored
from strongroom.context import Context
from strongroom.destinations import Folder
from strongroom.forget import forget_snapshots
from strongroom.holds import add_hold, release_hold
from strongroom.project import Project
from strongroom.query import open_tables
from strongroom.repository import open_repository
from strongroom.selection import SelectionOptions, select
from tests.support.dying import PowerCut
from tests.support.faulty import FaultyStore, faults
from tests.unit.library.repositories import OpenProject, restorable
from vault.errors import KeyRefused, RefusedByRule, StorageDenied, UsageError
from vault.format.hold import Scope
from vault.repository.project import Project as StoredProject
from vault.storage.contract import Store


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenProject]:
    with restorable(tmp_path) as found:
        take_unstored()
        yield found


def entries(opened: OpenProject) -> list[FoundEntry]:
    return list(audit.read_log(opened.context, [AuditedProject.of_project(opened.project)]).entries)


def newest(opened: OpenProject) -> FoundEntry:
    return entries(opened)[-1]


@contextmanager
def elsewhere(opened: OpenProject, wrap: FaultyStore | None = None) -> Iterator[tuple[Context, FaultyStore, StoredProject]]:
    """The same repository through a store that fails as planned."""
    stores: list[FaultyStore] = []

    def faulty(store: Store) -> Store:
        stores.append(FaultyStore(store))
        return stores[0]

    with context.opened(opened.desk.settings, wrap=faulty) as found:
        yield found, stores[0], found.project("acme")


def test_a_backup_is_one_entry_with_what_became_of_each_source(opened: OpenProject) -> None:
    first, second = entries(opened)
    assert [one.entry.action for one in (first, second)] == ["backup", "backup"]
    outcome = second.entry.outcome
    assert outcome is not None and outcome.result == "ok"
    assert [part["source"] for part in outcome.parts] == ["reports", "tickets"]
    assert outcome.counts["files"] == sum(part["counts"]["files"] for part in outcome.parts) == 4
    assert second.entry.who.host and not second.entry.who.daemon


def test_a_snapshot_names_the_newest_entry_of_its_writer_before_it(opened: OpenProject) -> None:
    from vault.repository import snapshots

    first, second = entries(opened)
    logs = {one.log for one in snapshots.committed(opened.project).records}
    assert {one and one.sequence for one in logs} == {None, first.entry.sequence}
    assert {one.sha256 for one in logs if one} == {first.sha256} and second.sha256 != first.sha256


def test_a_restore_is_recorded_with_its_whole_selection(opened: OpenProject, tmp_path: Path) -> None:
    opened.restore(Folder(tmp_path / "out"), None, SelectionOptions(patterns=["reports/**"], periods=["2024-05"]))
    entry = newest(opened).entry
    assert (entry.action, entry.phase) == ("restore", "done")
    assert entry.what["selection"] == {"patterns": ["reports/**"], "periods": ["2024-05"]}
    assert entry.what["to"] == str(tmp_path / "out") and len(entry.what["snapshots"]) >= 1
    assert entry.outcome is not None and entry.outcome.counts["files"] == 1


def test_a_question_in_sql_is_recorded_and_one_that_fails_too(opened: OpenProject) -> None:
    query = SelectionOptions(kinds=["reports"]).query(opened.context, opened.project)
    with open_tables(opened.context, opened.project, query) as tables:
        tables.read("select count(*) from reports")
    with pytest.raises(UsageError), open_tables(opened.context, opened.project, query) as tables:
        tables.read("select nonsense from nowhere")
    with open_tables(opened.context, opened.project, query):
        pass  # nothing was asked
    good, bad = entries(opened)[-2:]
    assert good.entry.what["questions"] == ["select count(*) from reports"]
    assert bad.entry.outcome is not None
    assert (bad.entry.outcome.result, bad.entry.outcome.why) == ("failed", "usage-error")


def test_words_of_errors_that_may_tell_content_are_not_recorded(opened: OpenProject) -> None:
    query = SelectionOptions(kinds=["reports"]).query(opened.context, opened.project)
    with pytest.raises(UsageError, match=r"4711\d0"), open_tables(opened.context, opened.project, query) as tables:
        tables.read("select cast('4711' || amount as date) from reports")
    assert re.search(r"4711\d0", json.dumps(newest(opened).as_json())) is None  # whichever row was read first


def test_what_lets_go_of_something_is_in_the_store_before_and_after(opened: OpenProject) -> None:
    held = add_hold(opened.context, opened.project, Scope(kind="tickets"), reason="case 17")
    release_hold(opened.context, opened.project, held.placed.hold.id, reason="over")
    placed, intent, outcome = [one.entry for one in entries(opened)[-3:]]
    assert (placed.action, placed.what["reason"], placed.what["hold"]) == ("hold-add", "case 17", held.placed.hold.id)
    assert (intent.action, intent.phase, intent.outcome) == ("hold-release", "intent", None)
    assert (outcome.phase, outcome.run) == ("outcome", intent.run)
    assert outcome.what["reason"] == "over" and outcome.what["on"] == "kind tickets"


def test_a_refusal_is_recorded_with_its_reason_though_nothing_was_begun(opened: OpenProject) -> None:
    before = len(entries(opened))
    add_hold(opened.context, opened.project, Scope(), reason="everything stays")
    snapshot = Project(opened.context, opened.project).snapshots().snapshots[0].id
    with pytest.raises(RefusedByRule):
        forget_snapshots(opened.context, opened.project, [snapshot], reason="no longer wanted", newest_too=True)
    refused = newest(opened).entry
    assert len(entries(opened)) == before + 3  # the hold; what was about to be done, and that it was refused
    assert refused.outcome is not None and refused.outcome.result == "refused" and "hold" in refused.outcome.why


def test_reading_without_the_right_to_is_refused_before_anything_is_fetched_and_recorded(opened: OpenProject) -> None:
    blind = replace(opened.project, capability=opened.project.capability.without_reading())
    for action, attempt in (
        ("read", lambda: select(opened.context, blind, SelectionOptions())),
        ("query", lambda: open_tables(opened.context, blind, SelectionOptions().query(opened.context, blind)).__enter__()),
    ):
        before = opened.context.traffic.snapshot()
        with pytest.raises(KeyRefused):
            attempt()
        assert opened.context.traffic.snapshot().since(before).requests.get("get", 0) == 0
        entry = newest(opened).entry
        assert entry.action == action and entry.outcome is not None and entry.outcome.result == "refused"


def test_a_mistake_and_a_plan_alone_are_not_recorded(opened: OpenProject, tmp_path: Path) -> None:
    before = len(entries(opened))
    opened.plan(Folder(tmp_path / "out"))
    with pytest.raises(UsageError), recorded(opened.context, "forget", [opened.project]):
        raise UsageError("there is no such snapshot")
    assert len(entries(opened)) == before


def test_several_verbs_within_one_command_are_one_entry(opened: OpenProject) -> None:
    before = len(entries(opened))
    with recorded(opened.context, "tidy", [opened.project], {"why": "spring"}) as outer:
        for kind in ("tickets", "reports"):
            add_hold(opened.context, opened.project, Scope(kind=kind), reason=kind)
        outer.count(rounds=1)
    assert len(entries(opened)) == before + 1
    entry = newest(opened).entry
    assert entry.action == "tidy" and entry.outcome is not None
    assert [(part["action"], part["reason"]) for part in entry.outcome.parts] == [
        ("hold-add", "tickets"),
        ("hold-add", "reports"),
    ]
    assert entry.outcome.counts["rounds"] == 1


def test_a_store_that_refuses_the_entry_stops_no_restore_and_gets_it_with_the_next_command(
    opened: OpenProject, tmp_path: Path
) -> None:
    before = len(entries(opened))
    with elsewhere(opened) as (found, store, project), faults(store).on("put", name="audit/*", raises=StorageDenied("no")):
        from strongroom.restore import restore
        from strongroom.restore_plan import plan_restore

        planned = plan_restore(found, select(found, project, SelectionOptions()), Folder(tmp_path / "out"))
        assert restore(planned).files == 4
    (why,) = take_unstored()
    assert "waits on this machine" in why and len(entries(opened)) == before
    add_hold(opened.context, opened.project, Scope(kind="raw"), reason="x")
    assert [one.entry.action for one in entries(opened)[-2:]] == ["restore", "hold-add"]
    assert (
        take_unstored() == []
        and audit_verification.verify_log(opened.context, [AuditedProject.of_project(opened.project)]).sound
    )


@contextmanager
def without_log(store: FaultyStore) -> Iterator[None]:
    """Meanwhile the store takes no entry."""

    def put(name: str, data: Any, *, sha256: bytes | None = None) -> None:
        if name.startswith("audit/"):
            raise StorageDenied("no")
        FaultyStore.put(store, name, data, sha256=sha256)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "put", put)
        yield


def test_a_process_that_stays_without_a_store_for_years_remembers_one_reason_and_none_once_the_store_has_it_all(
    opened: OpenProject,
) -> None:
    with elsewhere(opened) as (found, store, project), without_log(store):
        for number in range(20):
            add_hold(found, project, Scope(kind="raw"), reason=str(number))
        (why,) = take_unstored()
        assert "waits on this machine" in why
        add_hold(found, project, Scope(kind="raw"), reason="again")
    add_hold(opened.context, opened.project, Scope(kind="raw"), reason="the store is back")
    assert take_unstored() == [], "what has waited is in the store: a console that is ended now has failed in nothing"
    assert sum(one.entry.action == "hold-add" for one in entries(opened)) == 22


def test_an_entry_that_is_lost_is_not_forgotten_for_later_ones_that_are_stored(opened: OpenProject) -> None:
    with elsewhere(opened) as (found, store, project):
        writer = command_log.writer_of(found, store)
        assert writer is not None
        shutil.rmtree(writer.chain.folder, ignore_errors=True)
        writer.chain.folder.parent.mkdir(parents=True, exist_ok=True)
        writer.chain.folder.write_text("no folder")
        with without_log(store):
            add_hold(found, project, Scope(kind="raw"), reason="lost")
        writer.chain.folder.unlink()
        add_hold(found, project, Scope(kind="raw"), reason="stored")
    (why,) = take_unstored()
    assert "could neither be stored nor kept" in why


class Named:
    """Passes everything on, and notes which requests are about the log."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.requests: list[str] = []

    def __getattr__(self, verb: str) -> Any:
        inner = getattr(self._inner, verb)
        if verb not in ("put", "create", "get", "get_range", "size", "list", "delete"):
            return inner

        def passed(name: str, *more: Any, **named: Any) -> Any:
            if name.startswith("audit"):
                self.requests.append(verb)
            return inner(name, *more, **named)

        return passed


def test_the_log_costs_one_request_a_command_and_two_where_something_is_let_go_of(opened: OpenProject, tmp_path: Path) -> None:
    stores: list[Named] = []

    def named(store: Store) -> Store:
        stores.append(Named(store))
        return cast("Store", stores[0])

    with context.opened(opened.desk.settings, wrap=named) as found:
        project = Project(found, found.project("acme"))
        for work, expected in (
            (lambda: project.backup("tickets"), ["put"]),
            (lambda: project.restore(project.plan_restore(project.select(), tmp_path / "out")), ["put"]),
            (lambda: project.drill(), ["put"]),
            (lambda: project.check(), []),
            (lambda: project.check(read_data="all"), ["put"]),
            (lambda: project.snapshots(), []),
            (lambda: accept_nothing(found, project.stored), ["put", "put"]),
        ):
            stores[0].requests.clear()
            work()
            assert stores[0].requests == expected


def accept_nothing(found: Context, project: StoredProject) -> None:
    with recorded(found, "accept", [project]) as entry:
        entry.begin(destructive=True)


def test_an_entry_takes_far_less_than_20_ms_of_the_processor(opened: OpenProject) -> None:
    with recorded(opened.context, "warm", [opened.project]) as entry:
        entry.begin()
    taken = []
    for _ in range(20):
        before = time.process_time()
        with recorded(opened.context, "backup", [opened.project]) as entry:
            entry.begin()
        taken.append(time.process_time() - before)
    assert sorted(taken)[10] < 0.020, "the median: others use this machine as well"


def test_a_power_cut_within_a_verb_leaves_what_was_begun(opened: OpenProject) -> None:
    with pytest.raises(PowerCut), recorded(opened.context, "export", [opened.project], {"to": "x"}) as entry:
        entry.begin()
        raise PowerCut
    writer = command_log.writer_of(opened.context, opened.context.traffic)
    assert writer is not None and len(writer.chain.drafts()) == 1


def test_what_the_settings_promise_less_of_is_an_entry_of_its_own(opened: OpenProject) -> None:
    file = opened.desk.settings
    text = file.read_text()
    for more, less in (("rpo = '1 hour'", None), ("rpo = '2 hours'", "rpo"), ("rpo = '1 hour'", None)):
        file.write_text(text.replace("[projects.acme]\n", f"[projects.acme]\n{more}\n"))
        before = len(entries(opened))
        with open_repository(file) as repository:
            repository.project("acme").backup("tickets")
        new = [one.entry for one in entries(opened)[before:]]
        changes = [one for one in new if one.action == "settings-change"]
        assert len(new) == 1 + len(changes) and bool(changes) == (less is not None)
        if changes:
            assert changes[0].what["loosened"] == [{"key": "rpo", "before": "1 hour", "after": "2 hours"}]


@pytest.mark.parametrize(
    ("before", "now", "looser"),
    [
        ({"keep.daily": 30}, {"keep.daily": 7}, True),
        ({"keep.daily": 7}, {"keep.daily": 30}, False),
        ({"keep.within": "90 days"}, {"keep.within": "1 week"}, True),
        ({"keep.within": "1 week"}, {"keep.within": "1 month"}, False),
        ({"keep.monthly": 12}, {}, True),
        ({}, {"keep.monthly": 12}, False),
        ({}, {"item_retention.raw": "1 year"}, True),
        ({"item_retention.raw": "1 year"}, {}, False),
        ({"lock.mode": "compliance"}, {"lock.mode": "governance"}, True),
        ({"lock.mode": "governance"}, {"lock.mode": "compliance"}, False),
        ({"erasure.approvals": 2}, {"erasure.approvals": 1}, True),
        ({"erasure.approvals": 1}, {"erasure.approvals": 2}, False),
        ({"lock.days": 30}, {}, True),
        ({"alerts.folder": 5}, {"alerts.folder": 0}, True),
        ({"alerts.folder": 0}, {"alerts.folder": 5}, False),
        ({"alerts.entropy": True}, {"alerts.entropy": False}, True),
        ({"alerts.deleted_share": 0.3}, {"alerts.deleted_share": 0.2}, False),
        ({"schedule.backup": "hour"}, {"schedule.backup": "day"}, True),
        ({"schedule.drill": "week"}, {}, True),
        ({}, {"schedule.drill": "week"}, False),
        ({}, {"sources.files.exclude.*.tmp": True}, True),
        ({"sources.files.exclude.*.tmp": True}, {}, False),
        ({"notify.email": True}, {}, True),
        ({"audit.timestamp": "https://tsa"}, {}, True),
    ],
)
def test_which_changes_of_settings_promise_less(before: dict[str, object], now: dict[str, object], *, looser: bool) -> None:
    assert bool(list(settings_changes.differences(before, now))) == looser
