"""Facts for the judge, from records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from policies.retention.snapshot_facts import described
from policies.retention.verdict import Snapshot
from vault.format.snapshot_record import Counts, Record
from vault.format.tree import Tree

WHEN = datetime(2024, 5, 17, tzinfo=UTC)
ROOT = Tree(0, 0, ())
NONE = Counts(*[0] * len(Counts.__struct_fields__))


def record(name: str, *parents: str, source: str = "files", problems: int = 0) -> Record:
    counts = replace(NONE, problems=problems)
    return Record(name, source, "reports", WHEN, WHEN + timedelta(minutes=1), "h", "w", parents, ROOT, ROOT, (), counts)


def test_a_record_tells_what_a_judge_must_know() -> None:
    facts = described([record("a"), record("b", "a", problems=2)], flagged={"b": "it shrank"}, matches={"a": frozenset({"h"})})
    assert facts == (
        Snapshot("a", "files", "reports", WHEN, matches=frozenset({"h"})),
        Snapshot("b", "files", "reports", WHEN, good=False, superseded=False, flagged="it shrank", matches=None),
    )


def test_both_of_two_snapshots_at_once_are_the_current_state_until_one_joins_them() -> None:
    two = [record("a"), record("b", "a"), record("c", "a")]
    assert [one.superseded for one in described(two, flagged={}, matches={})] == [True, False, False]
    joined = [*two, record("d", "b", "c")]
    assert [one.superseded for one in described(joined, flagged={}, matches={})] == [True, True, True, False]


def test_a_snapshot_is_superseded_by_its_own_source_alone() -> None:
    facts = described([record("a"), record("b", "a", source="other")], flagged={}, matches={})
    assert [one.superseded for one in facts] == [False, False]
