"""Bringing a second copy of the repository up to date: only what is missing is copied, and each object is verified on its way.

    with opened_copy(context, "offsite", create=True) as copy:
        for project in context.available([]):
            done = copy_project(context, copy, project)
            print(done.report.snapshots, done.report.complete)

Nothing is deleted in a copy because it was deleted in the repository: a copy forgets and prunes by its own rules.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import command_log, local_state, object_lock
from vault.errors import Busy, Interrupted, StrongroomError
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.context import Context
    from strongroom.copies import CopyStore
    from vault.copying.pair import CopyOptions, CopyPair
    from vault.copying.report import CopyPlan, CopyReport
    from vault.problems import Problem
    from vault.repository.project import Project

CLAIMS = "copy-claims"
"""What a machine remembers as its claims in a copy."""


class CopyLimits(Struct, frozen=True):
    """How far a run goes, and who hears of it. max_bytes: of packs that are copied · max_seconds: after so many nothing new is
    begun · stop: called often; what it raises ends the run, and the next one goes on from there."""

    max_bytes: int | None = None
    max_seconds: float | None = None
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


class CopiedProject(Struct, frozen=True):
    """What became of a project. copy: the name of the copy · report: None where nothing could be done · error: what ended it,
    None where nothing did · unlocked: what could not be locked or held in the copy's store."""

    copy: str
    project: str
    report: CopyReport | None = None
    error: StrongroomError | None = None
    unlocked: tuple[Problem, ...] = ()

    @property
    def problems(self) -> list[Problem]:
        """What could not be copied, or not be locked."""
        return [*(self.report.problems if self.report is not None else ()), *self.unlocked]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found: dict[str, Any] = {"project": self.project}
        if self.report is not None:
            listed = {"problem_list": [one.as_json() for one in self.problems]}
            found |= self.report.as_json() | listed
        if self.error is not None:
            found["error"] = self.error.as_json()
        return found


def plan_copy(copy: CopyStore, project: Project, limits: CopyLimits | None = None) -> CopyPlan:
    """What a run would copy of a project. Nothing is written. Raises `StorageError`, `Damaged`."""
    from vault.copying.run import make_plan

    return make_plan(_pair(copy, project), _options(copy, project, limits or CopyLimits()))


def copy_project(opened: Context, copy: CopyStore, project: Project, limits: CopyLimits | None = None) -> CopiedProject:
    """Bring the copy of a project up to date, and note on this machine how far it is. What goes wrong is part of the result.
    copy: opened with `create`. Raises `Interrupted`."""
    job = f"copy {copy.name}"
    try:
        with (
            _alone(copy.context.memory.folder, project),
            command_log.recorded(opened, "copy", [project], {"copy": copy.name, "address": copy.address}) as entry,
        ):
            entry.begin()
            done = _copied(opened, copy, project, limits or CopyLimits())
            if done.report is not None:
                entry.count(snapshots=done.report.snapshots)
            entry.problems(len(done.problems))
    except Interrupted:
        raise
    except StrongroomError as error:
        local_state.note_run(opened.settings, project.name, job, error)
        return CopiedProject(copy.name, project.name, error=error)
    first = next((problem.message for problem in done.problems), None)
    if done.report is not None:
        _note(opened, copy, project, done.report)
        first = first or next(iter(done.report.waiting), None)
    local_state.note_run(opened.settings, project.name, job, first)
    return done


def note_failure(opened: Context, copy: str, projects: Sequence[Project], error: StrongroomError) -> None:
    """The store of a copy could not be opened. projects: that were to be copied."""
    for project in projects:
        local_state.note_run(opened.settings, project.name, f"copy {copy}", error)


def _copied(opened: Context, copy: CopyStore, project: Project, limits: CopyLimits) -> CopiedProject:
    from vault.copying.run import copy_project as run
    from vault.repository import key_trust

    pair, own = _pair(copy, project), copy.context
    key_trust.verify(project, own.memory)
    object_lock.begun(own, pair.second)
    options = _options(copy, project, limits)
    report = run(pair, options, opened.identities)
    own.memory.verify_repository(opened.repository.descriptor.repository)  # from now on it is missed where it is gone
    if options.damaged and report.repaired:
        _forget_damage(copy, project, options.damaged)
    unlocked = object_lock.copied(own, pair.second) if report.snapshots else ()
    return CopiedProject(copy.name, project.name, report, unlocked=unlocked)


def _pair(copy: CopyStore, project: Project) -> CopyPair:
    from vault.copying.pair import CopyPair

    return CopyPair.of(project, copy.store, copy.bare)


def _options(copy: CopyStore, project: Project, limits: CopyLimits) -> CopyOptions:
    from vault.copying.pair import CopyOptions

    memory = copy.context.memory
    return CopyOptions(
        max_bytes=limits.max_bytes,
        max_seconds=limits.max_seconds,
        damaged=local_state.damaged_packs(copy.context.settings, project.name),
        left_claims=tuple(memory.lines(CLAIMS, project.id)),
        remember_claims=lambda claims: memory.save_lines(CLAIMS, project.id, list(claims)),
        stop=limits.stop,
        progress=limits.progress,
    )


def _note(opened: Context, copy: CopyStore, project: Project, report: CopyReport) -> None:
    """For `status` and alerts: until when the copy has everything."""
    with local_state.noted(opened.settings) as state_store:
        if state_store is None:
            return
        before = state_store.found(project.name, "copy", copy.name)
        until: str | None = report.began.isoformat() if report.complete else before and before.value.get("until")
        state_store.note(project.name, "copy", copy.name, report.began, {"until": until, "left": report.left})


def _forget_damage(copy: CopyStore, project: Project, packs: frozenset[bytes]) -> None:
    """They were copied again: the next check says what they are."""
    with local_state.noted(copy.context.settings) as state_store:
        if state_store is not None:
            seen = state_store.packs(project.name)
            again = {pack: one._replace(read_at=None, whole=True) for pack, one in seen.items() if pack in packs}
            state_store.write_packs(project.name, {**seen, **again})


def unopened(opened: Context, projects: Sequence[Project]) -> list[str]:
    """The ids of projects that are not copied, as nobody here has their keys. projects: that are open."""
    from vault.repository import key_objects

    return sorted({one.scope for one in key_objects.listed(opened.repository.store)} - {one.id for one in projects})


@contextmanager
def _alone(folder: Path, project: Project) -> Iterator[None]:
    """While this machine copies a project to a store; two at once would only do the same work twice. folder: of what this
    machine knows of the store. Raises `Busy`."""
    handle: int | None = None
    with suppress(OSError):  # without it, work may be done twice
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(folder / f"copying-{project.id}", flags, 0o600)
    try:
        if handle is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(
                    f"project {project.name!r} is being copied there by another command", hint="try again when it has ended"
                ) from error
        yield
    finally:
        if handle is not None:
            os.close(handle)
