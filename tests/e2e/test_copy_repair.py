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
