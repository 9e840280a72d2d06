"""`strongroom backup [PROJECT…]`: snapshots of the sources that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, progress
from cli.options import Config, Identity, Json, Quiet, Source
from strongroom import context, local_state, maintenance, object_lock, own_paths, post_backup, retention, sources
from strongroom import settings as settings_of
from vault import wording
from vault.errors import Interrupted, SettingsError, StrongroomError, TargetError, UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.projects import SourceSettings
    from vault.backup.report import BackupReport
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
GROWN_SHOWN = 10
LEFT_OUT_SHOWN = 5


def backup(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all of the settings.")] = None,
    source: Source = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="A source that is empty now is meant to be.")] = False,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Take a snapshot of each source.

    A source that fails does not stop the others. Unreadable files are problems: the snapshot is committed with their
    last good versions, if there are any, and the exit code is 3. Of a file that grows while it is read, what it had at
    first is kept; of one that changes otherwise and has no good version, the last reading, marked as inconsistent.
    """
    from strongroom import settings_copy

    with _noted_if_it_cannot_begin(config, projects, source), context.opened(config, identity, commits=True) as place:
        work = list(_work(place, projects or [], source))
        kept = settings_copy.of_workplace(place, [project.capability for project, _ in work])
        outcomes = [_one(place, *one, quiet=as_json or quiet, allow_empty=allow_empty) for one in work]
        missing = [one for project in {project.id: project for project, _ in work}.values() for one in place.missing(project)]
        traffic = place.traffic.snapshot()
    if as_json:
        output.document(
            {
                "snapshots": [told for told, _ in outcomes],
                "missing": [{"what": one.what, "id": one.id} for one in missing],
                "settings_copy": kept.as_json(),
                "requests": traffic.total_requests,
                "bytes_up": traffic.bytes_up,
                "bytes_down": traffic.bytes_down,
            }
        )
    failed = [error for _, error in outcomes if error is not None]
    if failed:
        raise typer.Exit(failed[0].exit_code)
    if missing or place.refused or any(told.get("problems") for told, _ in outcomes):
        raise typer.Exit(DONE_WITH_PROBLEMS)


@contextmanager
def _noted_if_it_cannot_begin(config: Path | None, projects: list[str] | None, source: str | None) -> Iterator[None]:
    """A store that is away or a key that is refused ends the command before any source has its turn: each is noted."""
    try:
        yield
    except (UsageError, Interrupted):
        raise
    except StrongroomError as error:
        found = settings_of.load(settings_of.find(config))
        for name in found.projects if not projects else set(projects) & found.projects.keys():
            for one in found.project(name).sources:
                if source in (None, one.name):
                    local_state.note_run(found, name, f"backup {one.name}", error)
        raise


def _work(place: context.Context, names: list[str], source: str | None) -> Iterator[tuple[Project, SourceSettings]]:
    """Each project and source that is asked for. Raises before the first snapshot where one does not exist."""
    found = place.settings
    for project in place.projects(names) if names else place.available(_all(found)):
        settings = found.project(project.name)
        if not settings.sources:
            raise SettingsError(f"{found.file} names no source for project {project.name!r}", hint="add one to the settings")
        chosen = [one for one in settings.sources if source in (None, one.name)]
        if not chosen:
            raise UsageError(
                f"project {project.name!r} has no source {source!r}",
                hint=f"there are: {', '.join(one.name for one in settings.sources)}",
            )
        for one in chosen:
            yield project, one


def _all(found: Settings) -> list[str]:
    if not found.projects:
        raise SettingsError(
            f"{found.file} names no project", hint="add one with `strongroom project add NAME --source KIND=PATH`"
        )
    return list(found.projects)


def _one(
    place: context.Context, project: Project, source: SourceSettings, *, quiet: bool, allow_empty: bool
) -> tuple[dict[str, Any], StrongroomError | None]:
    from vault.backup.run import BackupOptions, back_up

    settings = place.settings
    told: dict[str, Any] = {"project": project.name, "source": source.name}
    try:
        folder = sources.folder(settings.project(project.name), source, own_paths.paths(settings))
        with progress.shown(quiet=quiet, project=project.name) as listener:
            retire = retention.retiring(settings, project)
            if retire is not None and place.holds_gone(project):
                retire = None  # nobody knows what they were on
            locks = object_lock.of(place, project)
            damaged = _known_damage(settings, project)
            backup_options = BackupOptions(
                allow_empty=allow_empty, locking=locks, damaged=damaged, retire=retire, progress=listener
            )
            report = back_up(project, folder, backup_options)
        told = report.as_json()
        unwritten = None if quiet else _tell(report)
        output.problems(report.problems)
        told |= post_backup.of_snapshot(settings, project, source, report.record)
        unheld = object_lock.snapshot_held(place, project, report.record)
        output.problems(unheld)
        told["problems"] += len(unheld)
        first = [*report.problems, *unheld][:1]
        problem = f"{counted(told['problems'], 'problem')}; {first[0].message}" if first else None
        local_state.note_run(settings, project.name, f"backup {source.name}", problem)
        if report.snapshots % maintenance.EVERY == 0:
            _tidy(project, source.name, locked=locks is not None, quiet=quiet)
        if unwritten is not None:
            raise unwritten
    except Interrupted:
        raise
    except StrongroomError as error:
        output.failure(error)
        local_state.note_run(settings, project.name, f"backup {source.name}", error)
        return told | {"error": str(error), "hint": error.hint, "exit_code": error.exit_code}, error
    return told, None


def _known_damage(settings: Settings, project: Project) -> frozenset[bytes]:
    """The packs that a check of this machine has found to be damaged."""
    with local_state.noted(settings) as findings:
        if findings is not None:
            return findings.damaged_packs(project.name)
    return frozenset()


def _tidy(project: Project, source: str, *, locked: bool, quiet: bool) -> None:
    """A failure is no problem of the backup: it costs time of whoever asks later."""
    try:
        with progress.shown(quiet=quiet, project=project.name) as listener:
            done = maintenance.run_maintenance(project, source, listener, locked=locked)
    except Interrupted:
        raise
    except StrongroomError as error:
        output.notice(f"the history of {project.name}/{source} was not tidied up, a later backup tries again: {error}")
        return
    if done.rolled_up and not quiet:
        output.notice(f"rolled up the history of {counted(done.rolled_up, 'snapshot')}")
    if done.joined and not quiet:
        output.notice("joined small segments of the index")


def _tell_left_out(report: BackupReport) -> None:
    from vault.source.scan import OTHER_FILE_SYSTEM, OWN

    without_content = [one for one in report.skipped if one.what not in (OWN, OTHER_FILE_SYSTEM)]
    if without_content:
        kinds = sorted({one.what for one in without_content})
        output.notice(f"skipped: {counted(len(without_content), 'item')} without content ({', '.join(kinds)})")
    for what, why in ((OWN, "Strongroom's own data"), (OTHER_FILE_SYSTEM, "on another file system")):
        paths = [printable(one.path) for one in report.skipped if one.what == what]
        more = f", … and {len(paths) - LEFT_OUT_SHOWN} more" if len(paths) > LEFT_OUT_SHOWN else ""
        if paths:
            output.notice(f"left out, {why}: {', '.join(paths[:LEFT_OUT_SHOWN])}{more}")
    if report.by_default:
        patterns = ", ".join(f"{count} {pattern}" for pattern, count in sorted(report.by_default.items()))
        output.notice(f"left out by default patterns: {patterns} (an exclude pattern such as '!*.part' brings them back)")


def _tell(report: BackupReport) -> StrongroomError | None:
    """What was done; gives the error where that cannot be written, since there is more to do. Who has seen enough of it
    (`| head`) does not keep the other sources from being backed up."""
    counts, unwritten = report.record.counts, None
    try:
        output.result(
            f"{report.project}/{report.record.source}: {counted(counts.items, 'item')}, {wording.size(counts.bytes)}; "
            f"{counts.added} new, {counts.changed} changed, {counts.vanished} vanished; "
            f"stored {wording.size(counts.stored_bytes)} in {wording.duration(report.seconds)}; snapshot {report.record.id}"
        )
    except BrokenPipeError:
        output.discard_results()
    except TargetError as error:
        unwritten = error
    _tell_left_out(report)
    for one in report.grown[:GROWN_SHOWN]:
        output.notice(f"grew while it was read: {printable(one.path)}; its first {wording.size(one.size)} are kept")
    if len(report.grown) > GROWN_SHOWN:
        output.notice(f"grew while they were read: {counted(len(report.grown) - GROWN_SHOWN, 'more file')}")
    if counts.problems:
        output.notice(
            f"{counted(counts.problems, 'problem')}; of what could not be read the last good version is kept, if any:"
        )
    if report.doubtful:
        output.notice(
            f"notice: the names of {counted(len(report.doubtful), 'item')} say a period in several ways; the widest was taken: "
            f"{wording.named(report.doubtful)}; `layout` in the settings decides"
        )
    if report.claim_stays:
        output.notice("notice: these credentials could not delete the run's claim; it stays until a prune takes it away")
    return unwritten
