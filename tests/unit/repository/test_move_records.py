"""Records of moved packs: several say together where content lies, and one may go when the others say the same."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from tests.support.places import made_on
from vault.format.moved_packs import MovedPacks
from vault.repository import snapshots
from vault.repository.gc import move_records
from vault.repository.gc.move_records import join_small, said_by_others
from vault.repository.project import Project
from vault.storage.memory import MemoryStore


def pack(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def packs(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(map(pack, names))


def record(number: int, **moved: str) -> MovedPacks:
    """What was `a` is in `bc`: `a="bc"`."""
    entries = {pack(old): tuple(sorted(packs(new))) for old, new in moved.items()}
    return MovedPacks(f"2126010{number}t000000z-{number:016}", entries)


def spare(records: list[MovedPacks], used: str, there: str, known: Collection[int] | None = None) -> list[int]:
    """The numbers of the records that may go."""
    ids = {one.id for number, one in enumerate(records) if known is None or number in known}
    gone = said_by_others(records, ids, packs(used) | packs(there), packs(there))
    return [records.index(one) for one in gone]


def test_a_record_goes_when_another_leads_from_its_packs_to_the_same_ones() -> None:
    chain = [record(1, a="b"), record(2, b="c")]
    assert spare(chain, "abc", "c") == []
    assert spare([*chain, record(3, a="c", b="c")], "abc", "c") == [0, 1]


def test_the_other_must_have_stood_before_this_prune_waited() -> None:
    records = [record(1, a="b"), record(2, b="c"), record(3, a="c", b="c")]
    assert spare(records, "abc", "c", known={0, 1}) == []
    assert spare(records, "abc", "c", known={0, 1, 2}) == [0, 1]


def test_of_two_that_say_the_same_one_stays() -> None:
    assert spare([record(1, a="c"), record(2, a="c")], "ac", "c") == [0]


def test_a_record_stays_that_leads_to_a_pack_of_which_the_others_do_not_say() -> None:
    """Two prunes have joined one pack at once, each into another."""
    assert spare([record(1, a="x"), record(2, a="y")], "axy", "xy") == []
    assert spare([record(1, a="x"), record(2, a="y"), record(3, a="xy")], "axy", "xy") == [0, 1]


def test_what_nobody_uses_any_more_needs_no_other_record() -> None:
    assert spare([record(1, a="c", old="c"), record(2, a="c")], "ac", "c") == [0]


def test_a_pack_that_stands_stays_reached_whatever_a_forged_record_says_of_it() -> None:
    """Without the first record nothing would lead to `b`, which stands, and it would go without a proof."""
    assert 0 not in spare([record(1, a="b"), record(2, b="x"), record(3, a="x")], "abx", "bx")
    circle = [record(1, a="b"), record(2, b="a")]
    assert spare([*circle, record(3, a="b")], "ab", "b") == [0]
    assert spare(circle, "ab", "b") == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(move_records, "MOST_SMALL", 3)
    return made_on(MemoryStore())


def joined(project: Project, records: list[MovedPacks], used: str, there: str) -> list[MovedPacks]:
    join_small(project, records, packs(used) | packs(there), packs(there))
    return list(snapshots.committed(project).moves)


def test_small_records_become_one_that_names_every_pack_that_stands_on_the_way(project: Project) -> None:
    records = [record(1, a="b", z="b"), record(2, b="c"), record(3, c="de"), record(4, d="e")]
    (one,) = joined(project, records, "abcde", "de")
    assert one.packs.keys() == packs("abc"), "nobody asks for z, and d still stands"
    assert {frozenset(new) for new in one.packs.values()} == {packs("de")}


def test_few_records_or_such_as_lead_nowhere_stay_as_they_are(project: Project) -> None:
    assert joined(project, [record(1, a="x"), record(2, b="x")], "abx", "x") == []
    assert joined(project, [record(1, a="x"), record(2, b="x"), record(3, c="lost")], "abcx", "x") == []


def test_many_entries_become_several_records_each_of_which_can_be_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_records, "MAX_MOVED_BYTES", 10_000)
    names = [f"old {number}" for number in range(200)]
    records = [MovedPacks(record(number).id, {pack(name): (pack("x"),) for name in names[number::8]}) for number in range(8)]
    join_small(project, records, frozenset(map(pack, [*names, "x"])), frozenset({pack("x")}))
    found = snapshots.committed(project).moves
    assert len(found) > 1
    assert {old for one in found for old in one.packs} == set(map(pack, names))
