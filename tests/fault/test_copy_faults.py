"""Every call to either store of a copy fails once, in every way: the run ends well or with our error, whatever stands in the
second store is whole, and the next run ends it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fault.test_copy_power_cut import SCENES, Scene
from tests.fault.test_power_cut import restored
from tests.fault.test_storage_faults import BY_NAME, Failure, attempt, calls, patient
from tests.support.faulty import FaultyStore
from tests.support.places import checked, copied, names
from tests.support.second_copies import copy, paired
from tests.support.watchdog import no_hang
from vault.copying.pair import CopyPair
from vault.storage.contract import Store
from vault.storage.counting import CountingStore

SHALLOW, ALL = 9, 1


def between(begun: Scene, first: Store, second: Store, seed: str) -> CopyPair:
    return paired(replace(begun.first, store=first), second, seed=seed)


def requests(begun: Scene, *, of_first: bool) -> Counter[str]:
    """How often each verb is called of one of the stores."""
    counting = CountingStore(begun.first.store if of_first else copied(begun.second))
    copy(between(begun, counting if of_first else begun.first.store, copied(begun.second) if of_first else counting, "count"))
    return Counter(counting.snapshot().requests)


@pytest.mark.parametrize("failure", BY_NAME)
@pytest.mark.parametrize("of_first", [True, False])
@pytest.mark.parametrize("stride", [SHALLOW, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_copy_takes_one_failed_call(tmp_path: Path, failure: str, *, of_first: bool, stride: int) -> None:
    begun = SCENES["after prunes" if stride == ALL else "everything"](tmp_path)
    fail_in_copies(begun, BY_NAME[failure], tmp_path, of_first=of_first, stride=stride)


def fail_in_copies(begun: Scene, failure: Failure, tmp_path: Path, *, of_first: bool, stride: int) -> None:
    for verb, nth in calls(failure, requests(begun, of_first=of_first), stride):
        disk = copied(begun.second)
        store = FaultyStore(begun.first.store if of_first else disk)
        pair = between(begun, store if of_first else begun.first.store, disk if of_first else store, f"{verb} {nth}")
        with no_hang(), store.plan.on(verb, nth=nth, raises=failure.error(), when=failure.when) as plan:
            done = attempt(partial(copy, pair))
            assert plan.all_happened
        after = between(begun, begun.first.store, disk, "next")
        if names(disk, after.first.folder("snapshots")):
            report = checked(after.second)
            assert report.sound, (verb, nth, report.damage, report.lost)
        assert done is None or done.complete or done.problems, (verb, nth, done)
        assert copy(after).complete
        assert checked(after.second).sound
        assert restored(after.second, tmp_path / "back") == begun.held


@pytest.mark.parametrize("of_first", [True, False])
def test_patience_makes_a_passing_trouble_unnoticeable(tmp_path: Path, *, of_first: bool) -> None:
    begun, failure = SCENES["everything"](tmp_path), BY_NAME["lost answer"]
    for verb, nth in calls(failure, requests(begun, of_first=of_first), SHALLOW):
        disk = copied(begun.second)
        store = FaultyStore(begun.first.store if of_first else disk)
        through = patient(store)
        pair = between(begun, through if of_first else begun.first.store, disk if of_first else through, f"{verb} {nth}")
        with store.plan.on(verb, nth=nth, raises=failure.error(), when=failure.when) as plan:
            done = copy(pair)
            assert plan.all_happened
        assert done.complete and not done.problems
        assert checked(pair.second).sound


@pytest.mark.parametrize("verb", ["get", "get_range"])
def test_a_flipped_bit_in_an_answer_of_the_first_store_is_never_copied(tmp_path: Path, verb: str) -> None:
    begun = SCENES["everything"](tmp_path)
    many = requests(begun, of_first=True)[verb]
    for nth in range(1, many + 1, 5):
        disk, store = copied(begun.second), FaultyStore(begun.first.store)
        pair = between(begun, store, disk, f"{nth}")
        with store.plan.on(verb, nth=nth, flips=nth * 97) as plan:  # type: ignore[arg-type]  # a verb
            done = attempt(partial(copy, pair))
            assert plan.all_happened
        after = between(begun, begun.first.store, disk, "next")
        assert done is None or checked(after.second).sound or done.problems
        assert copy(after).complete
        assert checked(after.second).sound, (nth, checked(after.second).damage)
        for name in names(disk, ""):
            if "/packs/" in name or "/meta/" in name or name.startswith("keys/") or name == "strongroom.json":
                assert disk.get(name) == begun.first.store.get(name)
