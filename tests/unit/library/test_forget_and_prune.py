"""What a program lets go of without a terminal: retention, forgetting, holds and prune."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from strongroom import environment, local_state
from strongroom.forget import accept_loss, forget_log, forget_snapshots, snapshots_of
from strongroom.holds import add_hold, held_period, list_holds, release_hold
from strongroom.prune import PlannedPrune, PruneLimits, apply_prune, plan_prune
from strongroom.retention import apply_retention, plan_retention
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.unit.library.lived_project import Heard, LivedProject, lived_desk, opened_project
from vault.errors import Damaged, Interrupted, RefusedByRule, UsageError
from vault.format.hold import Scope

STATES: tuple[dict[str, bytes | None], ...] = tuple(
    {"2023/old.csv": b"a,b\n3,4\n", "large.bin": SeededChance(f"state {number}").token(100_000)} for number in range(4)
)
KEEP_TWO = '\n[projects.acme.keep]\nlast = 2\nwithin = "1 day"\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four snapshots, each with another large file; rules keep the last two."""
    return lived_desk(tmp_path_factory.mktemp("template"), STATES, more_settings=KEEP_TWO).folder


@pytest.fixture
def lived(template: Path, tmp_path: Path) -> Iterator[LivedProject]:
    """A copy of it for each test, which this machine has not seen."""
    shutil.copytree(template, tmp_path / "desk")
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.settings.write_text(desk.settings.read_text().replace(str(template), str(desk.folder)))
    with opened_project(desk) as made:
        yield made


def refuse() -> None:
    """In place of a person who does not want it."""
    raise Interrupted("better not")


def never() -> None:
    raise AssertionError("nobody is to be asked")


def test_a_plan_of_retention_is_done_as_it_was_shown(lived: LivedProject) -> None:
    ids = lived.ids
    planned = plan_retention(lived.context, lived.project)
    assert planned.plan.goes == tuple(ids[:2]) and lived.ids == ids and not planned.problems
    planned.refuse_unless(planned.digest[:8])
    for other in (planned.digest[:7], "0" * 16, ""):
        with pytest.raises(RefusedByRule, match="is not the current one"):
            planned.refuse_unless(other)
    applied = apply_retention(lived.context, lived.project, planned)
    assert applied.forgotten == tuple(ids[:2]) and applied.by_others == 0 and lived.ids == ids[2:]
    assert json.loads(json.dumps(applied.as_json()))["forgotten"] == ids[:2]
    with local_state.noted(lived.context.settings) as findings:
        assert findings is not None
        noted = findings.found("acme", "run", "retention")
    assert noted is not None and noted.value["ending"] == "done"
    again = apply_retention(lived.context, lived.project, planned)
    assert again.forgotten == () and again.by_others == 2, "the same plan twice has nothing left to do"


def test_a_plan_is_not_done_once_a_hold_was_placed_and_then_nothing_goes(lived: LivedProject) -> None:
    ids = lived.ids
    planned = plan_retention(lived.context, lived.project)
    made = add_hold(lived.context, lived.project, Scope(snapshot=ids[0]), reason="an audit")
    with pytest.raises(RefusedByRule, match="the holds changed"):
        apply_retention(lived.context, lived.project, planned)
    assert lived.ids == ids
    planned = plan_retention(lived.context, lived.project)
    assert planned.plan.goes == (ids[1],)
    assert apply_retention(lived.context, lived.project, planned).forgotten == (ids[1],)
    release_hold(lived.context, lived.project, made.placed.hold.id, reason="it is over")
    assert plan_retention(lived.context, lived.project).plan.goes == (ids[0],)


def test_a_plan_for_a_later_day_shows_what_would_be_left_and_cannot_be_done(lived: LivedProject) -> None:
    now = lived.project.services.clock.now()
    later = plan_retention(lived.context, lived.project, on=now + timedelta(days=400))
    assert len(later.plan.goes) == 2
    with pytest.raises(RefusedByRule, match="cannot be carried out today"):
        apply_retention(lived.context, lived.project, later)
    with pytest.raises(UsageError, match="is not a later day"):
        plan_retention(lived.context, lived.project, on=now - timedelta(seconds=1))
    assert len(lived.ids) == 4


def test_forgetting_asks_after_all_that_may_refuse_and_before_anything_is_changed(lived: LivedProject) -> None:
    ids = lived.ids
    with pytest.raises(Interrupted):
        forget_snapshots(lived.context, lived.project, ids[:1], reason="a slip", confirm=refuse)
    assert lived.ids == ids and not forget_log(lived.project).notes
    with pytest.raises(RefusedByRule, match="newest of its source"):
        forget_snapshots(lived.context, lived.project, ids[-1:], reason="a slip")
    gone = forget_snapshots(lived.context, lived.project, ids[:1], reason="a bad export")
    assert [one.id for one in gone.snapshots] == ids[:1] and lived.ids == ids[1:]
    assert gone.as_json() == {"project": "acme", "forgotten": ids[:1]}
    (note,) = forget_log(lived.project).notes
    assert (note.reason, note.who) == ("a bad export", environment.person())
    assert [one.id for one in snapshots_of(note)] == ids[:1]
    document = json.loads(json.dumps(forget_log(lived.project).as_json()))
    assert document["notes"][0]["snapshots"][0]["id"] == ids[0] and document["damage"] == []
    assert lived.context.gone(lived.project) == [], "this machine knows that it was forgotten"


def test_nothing_is_forgotten_nor_pruned_where_a_hold_has_gone(lived: LivedProject) -> None:
    add_hold(lived.context, lived.project, Scope(path="2023/**"), reason="an audit")
    assert lived.context.holds_gone(lived.project) == [], "from now on this machine knows it"
    (file,) = (path for path in (lived.desk.folder / "repository").rglob("holds/*") if path.is_file())
    file.unlink()
    planned = plan_prune(lived.context, lived.project)
    with pytest.raises(RefusedByRule, match="hold"):
        forget_snapshots(lived.context, lived.project, lived.ids[:1], reason="a slip", confirm=never)
    with pytest.raises(RefusedByRule, match="hold"):
        apply_prune(lived.context, lived.project, planned, confirm=never)
    assert len(lived.ids) == 4


def test_the_loss_of_a_snapshot_is_accepted_and_life_goes_on(lived: LivedProject) -> None:
    ids = lived.ids
    assert lived.context.gone(lived.project) == []
    lived.record_file(ids[1]).unlink()
    with pytest.raises(Damaged, match="nothing can be pruned"):
        plan_prune(lived.context, lived.project)
    with pytest.raises(RefusedByRule, match="is there and can be read"):
        accept_loss(lived.context, lived.project, [ids[0]], reason="a slip")
    with pytest.raises(Interrupted):
        accept_loss(lived.context, lived.project, [ids[1]], reason="the disk", confirm=refuse)
    assert lived.context.gone(lived.project) == [ids[1]]
    lost = accept_loss(lived.context, lived.project, [ids[1]], reason="the disk", grace=timedelta(0))
    assert [one.id for one in lost.snapshots] == [ids[1]] and lost.as_json()["accepted"][0]["id"] == ids[1]
    assert lived.context.gone(lived.project) == []
    assert apply_prune(lived.context, lived.project, plan_prune(lived.context, lived.project)).report.done
    lived.desk.call("backup", "-q")
    assert len(lived.ids) == 4


def test_a_hold_says_what_it_is_on_and_is_listed_until_it_is_released(lived: LivedProject) -> None:
    zone, now = lived.context.zone("acme"), lived.project.services.clock.now()
    year = held_period("2023", zone, now)
    assert (year.start, year.end) == (datetime(2023, 1, 1, tzinfo=zone), datetime(2024, 1, 1, tzinfo=zone))
    assert held_period("2023..", zone, now).end is None and held_period("..2023", zone, now).start is None
    made = add_hold(lived.context, lived.project, Scope(path="reports/2023/**"), reason="an audit", until=now + timedelta(9))
    assert (made.items, made.bytes, made.placed.binds, made.placed.problems) == (1, 8, True, ())
    other = add_hold(lived.context, lived.project, Scope(period=year), reason="a dispute")
    document = json.loads(json.dumps(made.as_json()))
    assert list(document)[:3] == ["project", "items", "bytes"] and document["hold"] == made.placed.hold.id
    assert [one.hold for one in list_holds(lived.project).holds] == [made.placed.hold, other.placed.hold]
    with pytest.raises(UsageError, match="is the beginning of 2 holds"):
        release_hold(lived.context, lived.project, "", reason="a slip")
    ended = release_hold(lived.context, lived.project, made.placed.hold.id, reason="it is over")
    assert not ended.binds and ended.hold.release is not None and ended.hold.release.reason == "it is over"
    assert [one.hold.id for one in list_holds(lived.project).holds] == [other.placed.hold.id]
    assert [one.binds for one in list_holds(lived.project, ended=True).holds] == [False, True]
    with pytest.raises(UsageError):
        add_hold(lived.context, lived.project, Scope(path="reports/[z-a]"), reason="a slip")


def test_a_prune_is_planned_asked_about_and_heard_while_it_deletes(lived: LivedProject) -> None:
    def files() -> set[Path]:
        return {path for path in (lived.desk.folder / "repository").rglob("*") if path.is_file()}

    nothing = plan_prune(lived.context, lived.project)
    assert not nothing.reclaims
    assert apply_prune(lived.context, lived.project, nothing, confirm=never).report.freed == 0
    forget_snapshots(lived.context, lived.project, lived.ids[:2], reason="old")
    before, planning, deleting = files(), Heard(), Heard()
    planned = plan_prune(lived.context, lived.project, progress=planning)
    assert planned.reclaims and planning.phases == ["looking what is needed"] and files() == before
    with pytest.raises(Interrupted):
        apply_prune(lived.context, lived.project, planned, confirm=refuse)
    assert files() == before
    done = apply_prune(lived.context, lived.project, planned, progress=deleting)
    dead = sum(one.size for one in planned.plan.dead)
    assert done.report.done and done.report.freed == dead > 100_000 and done.report.forgotten == 2
    assert "deleting packs" in deleting.phases and deleting.items >= len(planned.plan.dead)
    document = json.loads(json.dumps(done.as_json()))
    assert document["project"] == "acme" and document["plan"]["dead"]["bytes"] == document["freed"] == dead
    with local_state.noted(lived.context.settings) as findings:
        assert findings is not None and findings.found("acme", "run", "prune") is not None
    lived.desk.call("check", "--data")


def test_the_limits_of_a_prune_leave_the_rest_for_another_time_and_it_can_be_stopped(lived: LivedProject) -> None:
    forget_snapshots(lived.context, lived.project, lived.ids[:2], reason="old")
    none: PlannedPrune = plan_prune(lived.context, lived.project, PruneLimits(max_bytes=0))
    assert not none.plan.dead and not none.plan.wasteful and none.plan.later
    late = plan_prune(lived.context, lived.project, PruneLimits(max_seconds=0.0, wait=timedelta(0)))
    assert late.options.patience.seconds == 0 and late.plan.dead
    report = apply_prune(lived.context, lived.project, late).report
    assert report.left == len(late.plan.dead) and not report.done
    with pytest.raises(Interrupted):
        plan_prune(lived.context, lived.project, stop=refuse)
    assert apply_prune(lived.context, lived.project, plan_prune(lived.context, lived.project)).report.done
