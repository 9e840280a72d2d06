"""`strongroom repair` puts back what a copy of the repository has."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_copy_fallback import copied, flip, objects, remove
from tests.support.desk import Desk
from tests.support.tree_facts import tree_facts

__all__ = ["copied"]


@pytest.mark.parametrize("damage", [remove, flip])
@pytest.mark.parametrize("folder", ["packs", "meta", "index"])
def test_what_is_lost_is_put_back_from_the_copy(copied: Desk, folder: str, damage: Callable[[Path], None]) -> None:
    shutil.rmtree(copied.folder / "source")  # nothing else has the content
    for file in objects(copied, folder):
        damage(file)
    copied.call("repair", "--read-data", "--yes")
    copied.call("check", "--data")
    (copied.folder / "second").rename(copied.folder / "away")
    copied.call("restore", "acme", "--to", "back")
    assert tree_facts(copied.folder / "back/reports")


def test_entries_of_the_log_that_are_lost_are_put_back_from_the_copy(copied: Desk) -> None:
    copied.call("backup")
    copied.call("copy")
    with copied.store() as store:
        first, second, third, *_ = sorted(info.name for info in store.list("audit"))
        whole = {name: store.get(name) for name in (first, second, third)}
        store.delete(first)
        store.put(second, whole[second][:100])
        store.put(third, whole[first])
    copied.call("audit", "verify", exits=20)
    planned = copied.call("repair", "--dry-run", "--json").document["repository"]
    assert {one["object"] for one in planned["repaired_objects"]} == whole.keys()
    copied.call("repair", "--yes")
    with copied.store() as store:
        assert {name: store.get(name) for name in whole} == whole
    copied.call("audit", "verify")


def test_entries_of_the_log_that_nobody_has_are_named(copied: Desk) -> None:
    shutil.rmtree(copied.folder / "second/audit")
    with copied.store() as store:
        first, *_ = sorted(info.name for info in store.list("audit"))
        store.put(first, b"")
    found = copied.call("repair", "--yes", "--json", exits=20).document["repository"]
    assert [one["object"] for one in found["unrepaired_objects"]] == [first]


@pytest.mark.parametrize("damage", [remove, flip])
def test_the_descriptor_is_put_back_from_the_copy_on_a_machine_that_has_never_seen_it(
    copied: Desk, damage: Callable[[Path], None]
) -> None:
    descriptor = copied.folder / "repository/strongroom.json"
    whole = descriptor.read_bytes()
    for part in (".cache", ".local"):
        shutil.rmtree(copied.folder / "home" / part)
    damage(descriptor)
    copied.call("repair", "--yes")
    assert descriptor.read_bytes() == whole
    copied.call("check")


def test_another_descriptor_in_the_copy_is_not_believed(copied: Desk) -> None:
    descriptor, second = (copied.folder / place / "strongroom.json" for place in ("repository", "second"))
    second.write_bytes(second.read_bytes().replace(b'"create_once": true', b'"create_once": false'))
    shutil.rmtree(copied.folder / "home/.local")
    descriptor.unlink()
    copied.call("repair", "--yes", exits=20)
    assert not descriptor.exists()
