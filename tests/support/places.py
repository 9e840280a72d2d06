"""Whole repositories for tests, so small that thirty bytes make several chunks and a page of text several packs.

place = made_on(MemoryStore())
back_up(place, source)
restore(place, tmp_path / "back")
assert checked(place).sound
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from restore.execution.executor import RestoreReport as RestoreReport
from restore.execution.executor import execute
from restore.local_fs import Target
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import make_plan
from restore.selection.select import ItemQuery, select
from tests.support.randomness import SeededChance
from vault.age import HybridIdentity
from vault.backup import run
from vault.backup.report import BackupReport
from vault.clock import Clock
from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.chunks import ChunkerParams
from vault.format.descriptor import Descriptor, FormatLimits, Trust
from vault.format.layout import CONTENT_TIER
from vault.repository.check import Depth, check
from vault.repository.check_report import CheckReport
from vault.repository.orphan_packs import read_table_of_contents
from vault.repository.pack_reader import PackReader
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.source.patterns import Rules
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

TINY = ChunkerParams(64, 256, 1024)
"""The smallest cutting that a descriptor may state."""

FAR_AHEAD = datetime(2126, 1, 1, tzinfo=UTC)
TODAY = date(2126, 1, 1)
PROJECT = "acme"


class TickingClock:
    """A `vault.clock.Clock` that moves on by `step` at every look and that nobody waits for.

    It is a century ahead of the machine's: every file then is clearly older than the scan that found it, so that a run
    trusts what the last one saw. `start` can be set to have it otherwise.
    """

    def __init__(self, start: datetime = FAR_AHEAD, *, step: timedelta = timedelta(milliseconds=1)) -> None:
        self._start = start
        self._step = step
        self._looks = itertools.count()

    def now(self) -> datetime:
        return self._start + self._step * next(self._looks)

    def monotonic(self) -> float:
        return self._step.total_seconds() * next(self._looks)

    def sleep(self, seconds: float) -> None:
        """No time passes but a tick."""
        next(self._looks)


def services(seed: int | str = "places", clock: Clock | None = None) -> Services:
    """A machine of its own: seeded, and with a clock that only ticks."""
    return Services(clock or TickingClock(), SeededChance(seed), "test", "strongroom test")


def tiny_descriptor(*, pack: int = 3000, create_once: bool = True) -> Descriptor:
    """A repository with limits that small trees reach. pack: bytes."""
    return Descriptor(
        repository="5" * 32,
        created=FAR_AHEAD,
        content=TINY,
        meta=TINY,
        limits=FormatLimits(pack=pack),
        trust=Trust(create_once=create_once),
    )


def identity(name: str = "operator") -> HybridIdentity:
    """Somebody's key; the same name has the same one."""
    return HybridIdentity.generate(SeededChance(f"identity of {name}"))


def made_on(store: Store, descriptor: Descriptor | None = None, clock: Clock | None = None) -> Project:
    """A new repository in `store`, with one project that `identity()` may read."""
    repository = Repository.create(store, descriptor or tiny_descriptor(), services(clock=clock))
    return repository.add_project(PROJECT, [identity().recipient], [identity()])


def through(project: Project, store: Store, *, seed: int | str | None = None) -> Project:
    """The same project seen through another store, by another machine where a seed is given."""
    if seed is None:
        return replace(project, store=store)
    return replace(project, store=store, services=replace(project.services, randomness=SeededChance(seed)))


def folder_source(folder: Path, *, name: str = "files", kind: str = "reports") -> run.Source:
    """A folder, taken whole."""
    return run.Source.of_folder(name, kind, os.fsencode(folder), Rules())


def back_up(project: Project, folder: Path, options: run.BackupOptions | None = None) -> BackupReport:
    """One backup of a folder."""
    return run.back_up(project, folder_source(folder), options or run.BackupOptions())


def restore(
    project: Project,
    to: Path,
    query: ItemQuery | None = None,
    *,
    existing: ConflictPolicy = ConflictPolicy.REFUSE,
    incomplete: bool = False,
) -> RestoreReport:
    """Restore what is wished for, everything by default. incomplete: without what is missing."""
    with Target(os.fsencode(to)) as target:
        plan = make_plan(select(project, query or ItemQuery()), target, existing, TODAY)
        return execute(plan.without_missing() if incomplete else plan, target, stop=lambda: None)


def checked(project: Project, *, data: float = 1.0) -> CheckReport:
    """A check to the bottom."""
    return check(project, Depth(data=data))


def copied(store: Store) -> MemoryStore:
    """All objects again, in memory."""
    copy = MemoryStore()
    for info in store.list(""):
        copy.put(info.name, store.get(info.name))
    return copy


def names(store: Store, folder: str) -> list[str]:
    """The objects in a folder, sorted."""
    return sorted(info.name for info in store.list(folder))


def chunks_in_packs(project: Project, tier: int = CONTENT_TIER) -> Counter[bytes]:
    """How often each chunk lies in the packs that stand in the store, going by the packs themselves."""
    reader = PackReader(project)
    found: Counter[bytes] = Counter()
    for sha256, size in _packs(project, tier):
        found.update(read_table_of_contents(reader, tier, sha256, size)["chunk"].to_pylist())
    return found


def _packs(project: Project, tier: int) -> Iterator[tuple[bytes, int]]:
    for info in project.store.list(project.folder("packs" if tier == CONTENT_TIER else "meta")):
        sha256 = layout.pack_sha256(info.name)
        if sha256 is None:
            raise ObjectNotFound(f"{info.name} is no pack")
        yield sha256, info.size
