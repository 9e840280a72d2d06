"""Plans: what is shown, what is freed, and when a plan is no longer good."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from policies.retention.calendar_span import CalendarSpan
from policies.retention.plan import Freed, RetentionInputs, RetentionPlan, StorageUse, make_plan
from policies.retention.rules import Keep
from policies.retention.verdict import Snapshot
from vault.errors import RefusedByRule
from vault.format.hold import Hold, Release, Scope

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOLD = Hold("a" * 32, Scope(), "audit", "olena", NOW, NOW + timedelta(days=30))


def snapshot(days_ago: int, *, good: bool = True) -> Snapshot:
    taken_at = NOW - timedelta(days=days_ago)
    return Snapshot(f"{days_ago:03}", "files", "reports", taken_at, good=good, matches=frozenset())


WORLD = RetentionInputs(
    "p" * 32, tuple(snapshot(ago) for ago in range(10)), Keep(daily=3, within=CalendarSpan(5, "day")), (), KYIV
)

PACKS = {f"{ago:03}": [bytes([ago]), b"shared by all", b"pair %d" % (ago // 2)] for ago in range(10)}
SIZES = {pack: 10 for packs in PACKS.values() for pack in packs}


def test_a_plan_names_what_goes_what_stays_and_why() -> None:
    plan = make_plan(WORLD, NOW)
    assert plan.goes == ("009", "008", "007", "006")
    lines = list(plan.lines())
    assert lines[0] == "4 of 10 snapshots go, 6 stay"
    assert lines[1:4] == ["  daily: 3", "  newest: 1", "  within: 6"]
    assert lines[4] == "goes:"
    assert lines[5] == "  files  2024-05-08 15:00  009  within: older than 5 days; daily: not of the newest 3 days"
    assert lines[9] == "stays:"
    assert lines[-1].endswith("000  daily for 2024-05-17 (1 of 3); within 5 days; newest good snapshot")
    assert len(lines) == 16


def test_a_plan_is_one_json_document() -> None:
    plan = make_plan(WORLD, NOW, storage=StorageUse(PACKS.__getitem__, SIZES))
    found = json.loads(json.dumps(plan.as_json()))
    assert [one["snapshot"] for one in found["goes"]] == list(plan.goes)
    assert found["stays"][-1]["why"][0] == {"rule": "daily", "text": "daily for 2024-05-17 (1 of 3)"}
    assert (found["zone"], found["keep"]) == ("Europe/Kyiv", {"daily": 3, "within": "5 days"})
    assert found["frees"] == {"packs": 6, "bytes": 60, "unknown": 0}
    assert found["world"] == WORLD.digest()
    assert found["made_at"] == found["on"] == "2024-05-17T12:00:00.000000Z"


def test_only_packs_that_no_other_snapshot_needs_are_freed() -> None:
    freed = make_plan(WORLD, NOW, storage=StorageUse(PACKS.__getitem__, SIZES)).frees
    # of 6, 7, 8 and 9: a pack of its own each, and the packs of two pairs
    assert freed == Freed(packs=6, bytes=60, unknown=0)


def test_a_pack_that_the_index_does_not_know_is_said_to_be_of_unknown_size() -> None:
    sizes = {pack: size for pack, size in SIZES.items() if pack != bytes([9])}
    plan = make_plan(WORLD, NOW, storage=StorageUse(PACKS.__getitem__, sizes))
    assert plan.frees == Freed(packs=5, bytes=50, unknown=1)
    assert [line for line in plan.summary() if "pack" in line] == [
        "that frees 5 packs, 50 bytes, once they are pruned",
        "and 1 pack of unknown size",
    ]


def test_where_nothing_goes_no_list_of_packs_is_read() -> None:
    def needs(snapshot: str) -> list[bytes]:
        raise AssertionError(snapshot)

    frozen = replace(WORLD, frozen="by hand")
    plan = make_plan(frozen, NOW, storage=StorageUse(needs, {}))
    assert plan.frees == Freed(0, 0, 0)
    assert "nothing is forgotten while the project is frozen: by hand" in plan.summary()


def test_a_plan_for_a_later_date_says_what_would_be_left_then_and_cannot_be_done() -> None:
    later = NOW + timedelta(days=40)
    plan = make_plan(WORLD, NOW, on=later)
    assert [one.snapshot.id for one in plan.verdict.kept] == ["002", "001", "000"]
    assert next(plan.summary()) == "7 of 10 snapshots go, 3 stay on 2024-06-26 15:00, if no backup came until then"
    with pytest.raises(RefusedByRule, match="this plan is for 2024-06-26"):
        plan.refuse_unless_current(WORLD)


def test_holds_that_run_out_by_a_later_date_keep_nothing_then() -> None:
    held = replace(WORLD, holds=(HOLD,))
    assert make_plan(held, NOW).goes == ()
    assert make_plan(held, NOW, on=NOW + timedelta(days=29)).goes == ()
    assert len(make_plan(held, NOW, on=NOW + timedelta(days=31)).goes) == 7


def test_a_date_in_the_past_is_today() -> None:
    assert make_plan(WORLD, NOW, on=NOW - timedelta(days=400)) == make_plan(WORLD, NOW)


def test_a_plan_is_good_while_the_world_is_the_same_in_whatever_order() -> None:
    two = (HOLD, replace(HOLD, id="b" * 32))
    plan = make_plan(replace(WORLD, holds=two), NOW)
    plan.refuse_unless_current(replace(WORLD, snapshots=WORLD.snapshots[::-1], holds=two[::-1]))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(WORLD, snapshots=(*WORLD.snapshots, snapshot(11), snapshot(12))), "2 snapshots came"),
        (replace(WORLD, snapshots=WORLD.snapshots[1:]), "1 snapshot went"),
        (replace(WORLD, snapshots=(snapshot(0, good=False), *WORLD.snapshots[1:])), "1 snapshot changed"),
        (replace(WORLD, holds=(HOLD,)), "the holds changed"),
        (replace(WORLD, keep=Keep(daily=4, within=CalendarSpan(5, "day"))), "the rules changed"),
        (replace(WORLD, zone=ZoneInfo("UTC")), "the rules changed"),
        (replace(WORLD, frozen="it shrank"), "the project was frozen"),
        (replace(WORLD, project="q" * 32), "it is another project"),
    ],
)
def test_a_plan_is_refused_once_the_world_has_changed_and_says_what_did(changed: RetentionInputs, words: str) -> None:
    plan: RetentionPlan = make_plan(WORLD, NOW)
    with pytest.raises(RefusedByRule, match="out of date and nothing was done") as refused:
        plan.refuse_unless_current(changed)
    assert str(refused.value).endswith(f": {words}")


@pytest.mark.parametrize(
    "other",
    [
        replace(WORLD.snapshots[0], superseded=False),
        replace(WORLD.snapshots[0], flagged="it shrank"),
        replace(WORLD.snapshots[0], matches=None),
        replace(WORLD.snapshots[0], matches=frozenset({"a" * 32})),
        replace(WORLD.snapshots[0], taken_at=NOW + timedelta(microseconds=1)),
    ],
)
def test_every_fact_that_a_verdict_follows_from_is_in_the_digest(other: Snapshot) -> None:
    assert replace(WORLD, snapshots=(other, *WORLD.snapshots[1:])).digest() != WORLD.digest()


def test_a_release_changes_the_digest() -> None:
    held = replace(WORLD, holds=(HOLD,))
    released = replace(HOLD, release=Release("c" * 32, HOLD.id, "over", "olena", NOW))
    assert replace(WORLD, holds=(released,)).digest() != held.digest()
