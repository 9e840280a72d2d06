"""The log of what is done to a repository: every verb that reads content, changes or deletes something is recorded, once,
whoever calls it: a program, the command line or the daemon.

    with recorded(context, "prune", [project], {"max_bytes": 1 << 30}) as entry:
        confirm()
        entry.begin(destructive=True)       right before the effect: the intent is on this machine, and in the store
        report = …
        entry.count(packs=report.deleted)

What raises before `begin` is recorded only where it is a refusal. A `recorded` within another one about the same repository
becomes a part of that: one command is one entry. Entries hold whole selections and counts, never content. Where the store does
not take one it waits on this machine, which is said as a warning and is no error: see `take_unstored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from strongroom import environment, log_values, notices
from vault.errors import Interrupted, KeyRefused, RefusedByRule, StrongroomError, TransientStorageError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from strongroom.context import Context
    from vault.format.log_entry import LoggedProject, Result
    from vault.format.log_head import LogHead
    from vault.repository.audit.draft import Draft
    from vault.repository.audit.writer import LogWriter, Unstored
    from vault.repository.project import Project
    from vault.storage.contract import Store

FOLDER = "audit"
"""Below what this machine remembers of a repository: the chains that it writes."""

BRIEF = 30.0
"""Seconds that the store has to take an entry; then it waits on this machine."""

REFUSED = frozenset({KeyRefused.exit_code, RefusedByRule.exit_code})
_RESULTS: dict[int, Result] = {
    0: "ok",
    3: "problems",
    **dict.fromkeys(REFUSED, "refused"),
    Interrupted.exit_code: "interrupted",
}
_BY_WEIGHT: tuple[Result, ...] = ("ok", "problems", "interrupted", "refused", "failed")

_current: ContextVar[Recording | None] = ContextVar("recording", default=None)
_actor: ContextVar[tuple[str, str] | None] = ContextVar("actor", default=None)
_unstored: dict[tuple[Path, bool], str] = {}
"""By chain, and whether they wait on this machine: the newest of each, as a console may run for years without a store."""


def take_unstored() -> list[str]:
    """Why entries of this process have not reached the store since this was asked last, of each chain one: a command ends
    with exit code 3 then. What waited and was stored since is none."""
    found = [*_unstored.values()]
    _unstored.clear()
    return found


@contextmanager
def recorded(
    context: Context,
    action: str,
    projects: Sequence[Project],
    what: Mapping[str, object] | None = None,
    *,
    readers: Sequence[Project] = (),
    at: datetime | None = None,
) -> Iterator[Recording]:
    """Record what the block does. action: a word, as `restore` · projects: that it is about · what: the whole selection and the
    options that matter · readers: who may read an entry that is about no project: whoever may audit one of these ·
    at: when it was done, where it is recorded later."""
    outer = _current.get()
    if outer is not None and not outer.is_in(context):
        outer = None
    entry = Recording(context, action, log_values.plain(what or {}), outer, at)
    entry.add_projects(projects, readers)
    token = _current.set(outer or entry)
    try:
        yield entry
    except (Exception, KeyboardInterrupt) as error:
        entry.end(error)
        raise
    else:
        entry.end(None)
    finally:
        _current.reset(token)


@contextmanager
def acting_as(person: str, face: str) -> Iterator[None]:
    """Entries of the block name this person as who did it, in place of the user of the operating system. face: by what they did
    it, as `console`."""
    token = _actor.set((person, face))
    try:
        yield
    finally:
        _actor.reset(token)


def person() -> str:
    """Who does what is done now, for records that name somebody: whom a face names, else user@host."""
    acting = _actor.get()
    return environment.person() if acting is None else f"{acting[0]} ({acting[1]})"


def require_reading(context: Context, project: Project, action: str) -> None:
    """Before anything of a project is fetched that is content. action: what was asked for. Raises `KeyRefused`, which is
    recorded."""
    with recorded(context, action, [project]):
        project.capability.reading()


def writer_of(context: Context, store: Store) -> LogWriter | None:
    """Writes with the first identity that can sign; None where there is none. store: that takes the entries."""
    from vault.age import HybridIdentity
    from vault.repository.audit.writer import LogWriter

    identity = next((one for one in context.identities if isinstance(one, HybridIdentity)), None)
    if identity is None:
        return None
    repository = context.repository
    folder = (context.first or context.memory).folder / FOLDER
    return LogWriter(store, repository.descriptor.repository, identity, repository.services, folder)


def drafted(context: Context, action: str, project: Project) -> Draft | None:
    """What will be an entry of several acts of a person, which is written at their end; None where there is no log, or nobody
    can sign."""
    entry = Recording(context, action, {}, None)
    entry.add_projects([project])
    return entry.new_draft()


def keep_draft(context: Context, draft: Draft) -> bool:
    """Have it on this machine's disk, as it is now: should the process die, the next command makes an entry of it. Gives
    whether the disk takes it."""
    writer = writer_of(context, context.traffic)
    if writer is None:
        return False
    try:
        writer.chain.write_draft(draft.run, draft.encode())
    except (OSError, ValueError):
        return False
    return True


def end_draft(context: Context, project: Project, draft: Draft, counts: Mapping[str, int]) -> None:
    """Make the entry of it, of all that went well. context: of the same repository, not necessarily the one of the
    beginning."""
    from vault.format.log_entry import Outcome

    writer = writer_of(context, _brief(context))
    if writer is not None:
        log_values.lock_uploads(context, writer.store, writer.principal, [project])
        _say(writer, writer.end(draft, Outcome("ok", 0, context.repository.services.clock.now(), dict(counts))))


class Recording:
    """One entry on its way, or a part of another one. Made by `recorded`."""

    def __init__(
        self, context: Context, action: str, what: dict[str, Any], outer: Recording | None, at: datetime | None = None
    ) -> None:
        self._context = context
        self._action = action
        self._what = what
        self._outer = outer
        self._projects: dict[str, Project] = {}
        self._readers: dict[str, Project] = {}
        self._counts: dict[str, int] = {}
        self._parts: list[dict[str, Any]] = []
        self._result: Result = "ok"
        self._code: int | None = None
        self._why = ""
        self._draft: Draft | None = None
        self._writer: LogWriter | None = None
        self._started = at or context.repository.services.clock.now()
        self._unstored: Unstored | None = None

    def is_in(self, context: Context) -> bool:
        """Whether it is about the same repository."""
        return self._context.repository.descriptor.repository == context.repository.descriptor.repository

    def add_projects(self, projects: Sequence[Project], readers: Sequence[Project] = ()) -> None:
        """It is about these, too."""
        if self._outer is not None:
            self._outer.add_projects(projects, readers)
        self._projects |= {one.id: one for one in projects}
        self._readers |= {one.id: one for one in readers}

    def note(self, **facts: object) -> None:
        """What was asked for, as far as it was not known at the beginning."""
        self._what |= log_values.plain(facts)

    def head(self) -> LogHead | None:
        """The newest entry of this identity that the store has: for the record of a snapshot. None where it has written none,
        or nobody can say."""
        if self._outer is not None:
            return self._outer.head()
        try:
            return None if self._writer is None else self._writer.head()
        except StrongroomError:
            return None

    def count(self, **numbers: int) -> None:
        """What was done, in numbers, which are added up."""
        for name, number in numbers.items():
            self._counts[name] = self._counts.get(name, 0) + number
        if self._outer is not None:
            self._outer.count(**numbers)

    def problems(self, number: int) -> None:
        """So many things went wrong that did not stop it."""
        if number:
            self.count(problems=number)
            self._worse("problems", 3)

    def fail(self, error: StrongroomError | None) -> None:
        """It ended with this error, which is not raised. None: it did not."""
        if error is not None:
            self._ended_with(error)

    def begin(self, *, destructive: bool = False) -> None:
        """The effect begins now. Called again, it changes nothing; destructive: something is deleted, let go or given up, so
        that the store gets the intent first."""
        if self._outer is not None:
            self._outer.begin(destructive=destructive)
            return
        if self._draft is None:
            self._draft = self.new_draft()
            if self._draft is not None and self._writer is not None:
                self._settings_changes()
                self._writer.begin(self._draft)
        if destructive and self._draft is not None and self._writer is not None and not self._draft.intents:
            self._draft, unstored = self._writer.intend(self._draft)
            if unstored is not None:
                _say(self._writer, unstored)

    def end(self, error: BaseException | None) -> None:
        """It is over. Called by `recorded`."""
        if error is not None:
            self._ended_with(error)
        if self._outer is not None:
            self._outer.join(self)
            return
        if self._draft is None:
            if self._result != "refused":
                return
            self._draft = self.new_draft()
        if self._draft is not None and self._writer is not None:
            self._write(self._writer, self._draft, error)

    @property
    def is_kept(self) -> bool:
        """Once it is over: whether an entry was made that the store has, or this machine until the store takes it."""
        return self._draft is not None and (self._unstored is None or self._unstored.kept)

    def join(self, part: Recording) -> None:
        """What became of a part of it."""
        known = {name for name, value in part._what.items() if self._what.get(name) == value}
        facts = {name: value for name, value in part._what.items() if name not in known}
        projects = [log_values.text(one.capability.name) for one in part._projects.values()]
        about: dict[str, Any] = {"action": part._action, "projects": projects, **facts}
        self._parts.append({**about, "result": part._result, "counts": part._counts})
        self._worse(part._result, part._code, part._why)

    def _write(self, writer: LogWriter, draft: Draft, error: BaseException | None) -> None:
        from vault.format.log_entry import Outcome

        if isinstance(error, Interrupted | KeyboardInterrupt | TransientStorageError):
            writer.store = self._context.log or self._context.traffic  # a person waits, or the store was waited for already
        now = self._context.repository.services.clock.now()
        outcome = Outcome(self._result, self._code or 0, now, self._counts, self._shown_parts(), self._why)
        self._unstored = writer.end(replace(draft, what=self._what, audiences=self._audiences()), outcome)
        _say(writer, self._unstored)

    def _shown_parts(self) -> tuple[dict[str, Any], ...]:
        """Of a command about one thing there is no part beside the whole."""
        if len(self._parts) == 1 and self._parts[0]["action"] == self._action:
            shown = {"action", "projects", "result", "counts"}
            self._what |= {name: value for name, value in self._parts[0].items() if name not in shown}
            return ()
        return tuple(log_values.shortened(self._parts))

    def _ended_with(self, error: BaseException) -> None:
        code = getattr(error, "exit_code", None)
        if isinstance(error, KeyboardInterrupt):
            code = Interrupted.exit_code
        if not isinstance(code, int):
            code = 1
        result = _RESULTS.get(code, "failed")
        # the words of other errors may tell what is in a file
        why = log_values.text(str(error)) if code in REFUSED else error.what if isinstance(error, StrongroomError) else ""
        self._worse(result, code, why)

    def _worse(self, result: Result, code: int | None, why: str = "") -> None:
        """It ends like this, unless it ends worse already."""
        if _BY_WEIGHT.index(result) > _BY_WEIGHT.index(self._result):
            self._result, self._code, self._why = result, code, why

    def new_draft(self) -> Draft | None:
        """What is to be kept of it before the effect; None where no project of it has a log, or nobody can sign."""
        from vault.format.log_entry import Actor
        from vault.repository.audit.draft import Draft
        from vault.repository.audit.writer import new_run

        audiences, services = self._audiences(), self._context.repository.services
        self._writer = writer_of(self._context, _brief(self._context)) if audiences else None
        if self._writer is None:
            return None
        log_values.lock_uploads(self._context, self._writer.store, self._writer.principal, self._about)
        person, face = _actor.get() or (environment.user_name(), "")
        who = Actor(
            user=log_values.text(person),
            host=log_values.text(services.host),
            program=f"{services.writer} {face}".rstrip(),
            daemon=environment.parent() is not None,
        )
        run, process = new_run(services), services.processes.own()
        return Draft(run, self._action, self._started, who, audiences, self._what, process)

    @property
    def _about(self) -> list[Project]:
        """Who hears of it: the projects that it is about, or else whoever shall read it."""
        return list((self._projects or self._readers).values())

    def _audiences(self) -> tuple[Any, ...]:
        from vault.format.log_entry import MOST_PROJECTS, LoggedProject
        from vault.repository.audit.draft import Audience, audiences

        found: list[tuple[LoggedProject, Any]] = [
            (LoggedProject(one.id, log_values.text(one.capability.name)), one.capability.audit_recipient)
            for one in self._about
            if one.capability.audit_recipient is not None
        ]
        if self._projects or not found:
            return audiences(found)
        return (Audience((), tuple(key for _, key in found[:MOST_PROJECTS])),)

    def _settings_changes(self) -> None:
        """What the settings promise less of than they did when this machine used them last: an entry of its own."""
        from strongroom import settings_changes

        for project in self._projects.values():
            changes = settings_changes.loosened(self._context, project)
            if changes and self._writer is not None and project.capability.audit_recipient is not None:
                self._record_beside(self._writer, project, changes)

    def _record_beside(self, writer: LogWriter, project: Project, changes: Sequence[Mapping[str, object]]) -> None:
        from vault.format.log_entry import Outcome

        beside = Recording(self._context, "settings-change", log_values.plain({"loosened": list(changes)}), None)
        beside.add_projects([project])
        draft = beside.new_draft()
        if draft is not None:
            _say(writer, writer.end(draft, Outcome("ok", 0, draft.at)))


def _say(writer: LogWriter, unstored: Unstored | None) -> None:
    """unstored: None where the store has taken everything that waited."""
    chain = writer.chain.folder
    if unstored is None:
        _unstored.pop((chain, True), None)
    else:
        notices.warn(unstored.message)
        _unstored[chain, unstored.kept] = unstored.message


def _brief(context: Context) -> Store:
    """The store with little patience, below the cache."""
    from vault.storage.retrying import RetryingStore, RetryPolicy

    services = context.repository.services
    return RetryingStore(context.log or context.traffic, RetryPolicy.network(BRIEF), services.clock, services.randomness)
