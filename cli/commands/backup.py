"""`strongroom backup [PROJECT…]`: snapshots of the sources that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from cli import output, progress
from cli.options import Config, Identity, Json, Quiet, Source
from strongroom import cached_copies, command_log, context, local_state, sources
from strongroom import settings as settings_of
from vault import wording
from vault.errors import Interrupted, StrongroomError, TargetError, UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.backup import SourceBackup
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
    with _noted_if_it_cannot_begin(config, projects, source), ExitStack() as stack:
        found = context.read_settings(config)
        ahead = stack.enter_context(sources.scanning_ahead(found, projects or [], source))
        opened = stack.enter_context(context.opened_by(found, identity, commits=True))
        from strongroom import backup as backups
        from strongroom import settings_copy

        work = list(backups.sources_of(opened, projects or [], source))
        kept = settings_copy.of_context(opened, [project.capability for project, _ in work])
        concerned = {project.id: project for project, _ in work}.values()
        put_back = [name for project in concerned for name in cached_copies.put_back(opened, project)]
        what = {"source": source, "allow_empty": allow_empty}
        with command_log.recorded(opened, "backup", list(concerned), what):
            done = [_one(opened, *one, ahead, quiet=quiet, as_json=as_json, allow_empty=allow_empty) for one in work]
        missing = [one for project in concerned for one in opened.missing(project)]
        traffic = opened.traffic.snapshot()
    if as_json:
        output.document(
            "backup/1",
            {
                "snapshots": [one.as_json() for one in done],
                "missing": [{"what": one.what, "id": one.id} for one in missing],
                "settings_copy": kept.as_json(),
                "put_back": put_back,
                "requests": traffic.total_requests,
                "bytes_up": traffic.bytes_up,
                "bytes_down": traffic.bytes_down,
            },
        )
    failed = [one.error for one in done if one.error is not None]
    if failed:
        raise typer.Exit(failed[0].exit_code)
    if missing or opened.refused or any(one.problems for one in done):
        raise typer.Exit(DONE_WITH_PROBLEMS)


@contextmanager
def _noted_if_it_cannot_begin(config: Path | None, projects: list[str] | None, source: str | None) -> Iterator[None]:
    """A store that is away or a key that is refused ends the command before any source has its turn."""
    try:
        yield
    except (UsageError, Interrupted):
        raise
    except StrongroomError as error:
        from strongroom.backup import note_failure

        note_failure(settings_of.load(settings_of.find(config)), projects or [], source, error)
        raise


def _one(
    opened: context.Context,
    project: Project,
    source: SourceSettings,
    ahead: sources.BegunScan | None,
    *,
    quiet: bool,
    as_json: bool,
    allow_empty: bool,
) -> SourceBackup:
    from strongroom.backup import BackupRunOptions, back_up

    unwritten: list[StrongroomError] = []

    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:

        def committed(report: BackupReport) -> None:
            listener.pause()  # what is said is not said into a line that is being drawn
            if not quiet and not as_json:
                unwritten.extend(_report(report))
            output.problems(report.problems)

        done = back_up(opened, project, source, BackupRunOptions(allow_empty, listener, committed, ahead=ahead))
    if done.error is None and unwritten:
        done = replace(done, error=unwritten[0])
        local_state.note_run(opened.settings, project.name, f"backup {source.name}", unwritten[0])
    if done.error is not None:
        output.failure(done.error)
    return done


def _report_left_out(report: BackupReport) -> None:
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


def _report(report: BackupReport) -> Iterator[StrongroomError]:
    """What was done; gives the error where that cannot be written, since there is more to do. Who has seen enough of it
    (`| head`) does not keep the other sources from being backed up."""
    counts = report.record.counts
    try:
        output.result(
            f"{report.project}/{report.record.source}: {counted(counts.items, 'item')}, {wording.size(counts.bytes)}; "
            f"{counts.added} new, {counts.changed} changed, {counts.vanished} vanished; "
            f"stored {wording.size(counts.stored_bytes)} in {wording.duration(report.seconds)}; snapshot {report.record.id}"
        )
    except BrokenPipeError:
        output.discard_results()
    except TargetError as error:
        yield error
    _report_left_out(report)
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
