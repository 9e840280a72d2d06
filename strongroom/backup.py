"""Backing up: a snapshot of one source, and all that belongs to it: locks, legal holds, suspicion, expected reports, upkeep.

sources_of       which projects and sources are meant
back_up          one source: the snapshot, then what follows from it
settings_copy    once a run: the sealed copy of the settings in the repository
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import (
    backup_hooks,
    command_log,
    local_state,
    maintenance,
    notices,
    object_lock,
    post_backup,
    retention,
    sources,
)
from vault.errors import Interrupted, SettingsError, StrongroomError, UsageError
from vault.progress import NoProgress, Progress, Stop, never
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.backup_hooks import HookOutcome, HookRun
    from strongroom.command_log import Recording
    from strongroom.context import Context
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.backup.report import BackupReport
    from vault.format.log_head import LogHead
    from vault.problems import Problem
    from vault.repository.object_lock import ObjectLock
    from vault.repository.project import Project


LOGGED = ("items", "files", "bytes", "added", "changed", "vanished", "read_bytes", "stored_bytes")
"""Of a snapshot's counts, what its entry of the log has."""


class SourceBackup(Struct, frozen=True):
    """What became of one source. report: of the snapshot, None where none was committed · findings: what the snapshot means ·
    unheld: legal holds that could not be placed · error: what ended it, None where nothing did · hooks: what became of the
    commands before and after · skipped: why it was not backed up at all, as the settings want; else empty."""

    project: str
    source: str
    report: BackupReport | None = None
    findings: post_backup.Findings = field(default_factory=post_backup.Findings)
    unheld: tuple[Problem, ...] = ()
    error: StrongroomError | None = None
    hooks: tuple[HookOutcome, ...] = ()
    skipped: str = ""

    @property
    def problems(self) -> int:
        """How many items, holds and commands did not go as they should."""
        items = self.report.record.counts.problems if self.report is not None else 0
        return items + len(self.unheld) + sum(bool(one.trouble) for one in self.hooks)

    @property
    def result(self) -> Literal["done", "problems", "failed", "skipped"]:
        """In a word."""
        if self.error is not None:
            return "failed"
        return "skipped" if self.skipped else "problems" if self.problems else "done"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        values: dict[str, Any] = {"project": self.project, "source": self.source}
        if self.report is not None:
            values = self.report.as_json() | self.findings.as_json()
            values["problems"] = self.problems
        if self.error is not None:
            values |= {"error": self.error.as_json(), "hint": self.error.hint, "exit_code": self.error.exit_code}
        if self.skipped:
            values["skipped"] = self.skipped
        if self.hooks:
            values["hooks"] = [one.as_json() for one in self.hooks]
        return values


class BackupRunOptions(Struct, frozen=True):
    """allow_empty: a source that is empty now is meant to be · progress: hears how far it is · committed: hears of the snapshot
    as soon as it is committed, before what follows from it · stop: called often; what it raises ends the run · ahead: a scan
    that has begun."""

    allow_empty: bool = False
    progress: Progress = field(default_factory=NoProgress)
    committed: Callable[[BackupReport], None] | None = None
    stop: Stop = never
    ahead: sources.BegunScan | None = None


def sources_of(context: Context, names: Sequence[str], source: str | None = None) -> Iterator[tuple[Project, SourceSettings]]:
    """Each project and source that is meant. names: of projects, empty for all of the settings · source: only this one of each.
    Raises `UsageError`, `SettingsError` before the first one where something does not exist, `KeyRefused`."""
    settings = context.settings
    found = []
    for project in context.projects(names) if names else context.available(_all(settings)):
        own = settings.project(project.name)
        if not own.sources:
            raise SettingsError(f"{settings.file} names no source for project {project.name!r}", hint="add one to the settings")
        chosen = [one for one in own.sources if source in (None, one.name)]
        if not chosen:
            raise UsageError(
                f"project {project.name!r} has no source {source!r}",
                hint=f"there are: {', '.join(one.name for one in own.sources)}",
            )
        found += [(project, one) for one in chosen]
    yield from found


def _all(settings: Settings) -> list[str]:
    if not settings.projects:
        raise SettingsError(
            f"{settings.file} names no project", hint="add one with `strongroom project add NAME --source KIND=PATH`"
        )
    return list(settings.projects)


def note_failure(settings: Settings, names: Sequence[str], source: str | None, error: StrongroomError) -> None:
    """A store that is away, or a key that is refused, ended a run before any source had its turn: each is noted as failed."""
    for name in settings.projects if not names else set(names) & settings.projects.keys():
        for one in settings.project(name).sources:
            if source in (None, one.name):
                local_state.note_run(settings, name, f"backup {one.name}", error)


def back_up(
    context: Context, project: Project, source: SourceSettings, options: BackupRunOptions | None = None
) -> SourceBackup:
    """A snapshot of one source, what follows from it, and the commands that the settings name before and after. What ends it is
    part of the result, so that other sources have their turn. Raises `Interrupted`."""
    options = options or BackupRunOptions()
    what = {"source": source.name, "allow_empty": options.allow_empty}
    with command_log.recorded(context, "backup", [project], what) as entry:
        entry.begin()
        done = _with_hooks(context, project, source, options, entry)
        entry.fail(done.error)
        entry.problems(done.problems)
        if done.report is not None:
            counts = done.report.record.counts
            entry.note(snapshot=done.report.record.id)
            entry.count(**{name: getattr(counts, name) for name in LOGGED})
    return done


def _with_hooks(
    context: Context, project: Project, source: SourceSettings, options: BackupRunOptions, entry: Recording
) -> SourceBackup:
    """The backup, with the commands before and after it."""
    settings = context.settings
    hooks = backup_hooks.HookRun(
        backup_hooks.hooks_of(settings, project.name, source),
        project.name,
        source.name,
        source.place,
        settings.file.absolute().parent,
        project.services.clock,
        options.stop,
    )
    try:
        going_on = hooks.before()
        done = _back_up(context, project, source, options, entry) if going_on else _skipped(context, project, source, hooks)
        snapshot = "" if done.report is None else done.report.record.id
        hooks.after(done.result, snapshot, str(done.error or done.skipped))
    except BaseException:
        hooks.after("interrupted")
        raise
    if hooks.failed:
        notices.problems(hooks.problems)
        if done.error is None and not done.skipped:
            words = f"{counted(done.problems + len(hooks.failed), 'problem')}; {hooks.problems[0].message}"
            local_state.note_run(settings, project.name, f"backup {source.name}", words)
    return replace(done, hooks=tuple(hooks.outcomes))


def _skipped(context: Context, project: Project, source: SourceSettings, hooks: HookRun) -> SourceBackup:
    """No backup, as the command before it failed and the settings say so."""
    why = hooks.problems[0].message
    error = StrongroomError(f"the source was not backed up: {why}")
    local_state.note_run(context.settings, project.name, f"backup {source.name}", error)
    notices.warn(f"{project.name}/{source.name} was not backed up, as its setting when_it_fails says")
    return SourceBackup(project.name, source.name, skipped=why)


def _back_up(
    context: Context, project: Project, source: SourceSettings, options: BackupRunOptions, entry: Recording
) -> SourceBackup:
    settings, done = context.settings, SourceBackup(project.name, source.name)
    job = f"backup {source.name}"
    try:
        locking = object_lock.of(context, project)
        report = _commit(context, project, source, options, BackupBeside(locking, entry.head()))
        done = replace(done, report=report)
        if options.committed is not None:
            options.committed(report)
        done = replace(done, findings=post_backup.of_snapshot(settings, project, source, report.record))
        done = replace(done, unheld=tuple(object_lock.snapshot_held(context, project, report.record)))
        notices.problems(done.unheld)
        _mend_older(context, project, report)
        first = [*report.problems, *done.unheld][:1]
        local_state.note_run(
            settings, project.name, job, f"{counted(done.problems, 'problem')}; {first[0].message}" if first else None
        )
        if report.snapshots % maintenance.EVERY == 0:
            _maintain(project, source.name, options.progress, locked=locking is not None)
    except Interrupted:
        raise
    except StrongroomError as error:
        local_state.note_run(settings, project.name, job, error)
        return replace(done, error=error)
    return done


def _mend_older(context: Context, project: Project, report: BackupReport) -> None:
    """Older snapshots find what this one has read again. A failure is no problem of the backup: `repair` does it later."""
    from strongroom import repair

    if not report.read_again:
        return
    try:
        packs = repair.mend_older_snapshots(context, project, report.read_again)
    except Interrupted:
        raise
    except StrongroomError as error:
        notices.notice(f"older snapshots of {project.name} still name lost packs; `strongroom repair` mends them: {error}")
        return
    if packs:
        notices.notice(f"{project.name}: what was in {counted(len(packs), 'lost pack')} lies in others now, for all snapshots")


class BackupBeside(Struct, frozen=True):
    """What a snapshot is committed with. locking: None where nothing is locked · log: the newest entry of the log of whoever
    backs up, before this run."""

    locking: ObjectLock | None
    log: LogHead | None


def _commit(
    context: Context, project: Project, source: SourceSettings, options: BackupRunOptions, beside: BackupBeside
) -> BackupReport:
    from vault.backup import run
    from vault.format.frames import Compression

    settings = context.settings
    wanted_source = sources.backup_source(settings.project(project.name), source, sources.context_of(settings, project.name))
    if options.ahead is not None and options.ahead.settings is source:
        wanted_source = replace(wanted_source, ahead=options.ahead.scan)
    retire = retention.retiring(settings, project)
    if retire is not None and context.holds_gone(project):
        retire = None  # nobody knows what they were on
    wanted = run.BackupOptions(
        allow_empty=options.allow_empty,
        locking=beside.locking,
        damaged=local_state.damaged_packs(settings, project.name),
        retire=retire,
        give_up=retention.giving_up(project, lambda: context.holds_gone(project)),
        compression=Compression(settings.project(project.name).compression),
        cache=context.cache,
        log=beside.log,
        stop=options.stop,
        progress=options.progress,
    )
    return run.back_up(project, wanted_source, wanted)


def _maintain(project: Project, source: str, progress: Progress, *, locked: bool) -> None:
    """A failure is no problem of the backup: it costs time of whoever asks later."""
    try:
        done = maintenance.run_maintenance(project, source, progress, locked=locked)
    except Interrupted:
        raise
    except StrongroomError as error:
        notices.notice(f"the history of {project.name}/{source} was not tidied up, a later backup tries again: {error}")
        return
    if done.rolled_up:
        notices.notice(f"rolled up the history of {counted(done.rolled_up, 'snapshot')}")
    if done.joined:
        notices.notice("joined small segments of the index")
