"""A repository in two stores, for tests of copies.

pair = paired(made_on(MemoryStore()), MemoryStore())
copied = copy(pair)
assert copied.complete and checked(pair.second).sound
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.support.places import identity
from tests.support.randomness import SeededChance
from vault.clock import Clock
from vault.copying.pair import CopyOptions, CopyPair
from vault.copying.report import CopyReport
from vault.copying.run import copy_project
from vault.repository.project import Project
from vault.storage.contract import Store


def paired(first: Project, second: Store, *, seed: int | str = "copy", clock: Clock | None = None) -> CopyPair:
    """Both stores, by a machine of its own."""
    services = replace(first.services, randomness=SeededChance(seed), clock=clock or first.services.clock)
    return CopyPair.of(replace(first, services=services), second, second)


def copy(pair: CopyPair, **options: Any) -> CopyReport:
    """One run of a copy."""
    return copy_project(pair, CopyOptions(**options), [identity()])
