"""`strongroom status`: is everything backed up, and what is wrong."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, terminal_layout
from cli.options import Config, Identity, Json
from strongroom import context, environment, reading, settings
from strongroom import status as strongroom_status
from vault import wording
from vault.errors import Damaged, NoRepository, StorageError, StrongroomError, UsageError

if TYPE_CHECKING:
    from strongroom.project_status import CopyStatus, ProjectStatus, SourceStatus
    from strongroom.settings import Settings
    from strongroom.status import RepositoryStatus

DONE_WITH_PROBLEMS = 3
SHOW_AFTER = 3.0
"""Seconds that the store has to answer before what this machine knows is shown."""

SOURCES = ["PROJECT", "SOURCE", "STATE", "LAST SNAPSHOT", "AGE", "PROMISED", "NEXT RUN", "ITEMS", "RUNNING"]
PROJECTS = ["PROJECT", "LAST DRILL", "RECOVERY TAKES", "READ AND CHECKED", "RETENTION"]
COPIES = ["PROJECT", "COPY", "STATE", "PROMISED", "NEXT RUN"]
CLEARED = "\x1b[H\x1b[2J"
"""What takes everything off a terminal."""


def status(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also every source and project, in tables.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again and again, until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=1.0, help="With --watch: from one time to the next.")
    ] = 5.0,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page of HTML, too.")] = None,
    accept: Annotated[str, typer.Option("--accept", metavar="PROJECT", hidden=True)] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", hidden=True)] = "",
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Whether everything is backed up, how old the oldest backup is, how the last restore test went; then what is wrong and
    what to do about it, what is critical first.

    With --all also every source with its last snapshot, its age and the promise, the next run and what is being written just
    now; of every project the last restore drill, how long it took, how much of the data was read and checked, whether retention
    is frozen; and whether the daemon lives.

    Where the store does not answer, what this machine knows is shown, and the exit code says that the store did not. Ends with
    exit code 3 where an alert fires, the daemon was killed, a source of the settings has no snapshot, or its last one had
    problems.
    """
    if accept or reason:
        _accept(accept, reason, config, identity, as_json=as_json)
        return
    names = projects or []
    if watch:
        _watch(names, config, identity, interval, everything=everything, refused=as_json or html is not None)
        return
    found = _found(settings.load(settings.find(config)), names, config, identity, as_json=as_json, everything=everything)
    if html is not None:
        from strongroom import status_page

        status_page.write_page(found, html)
    if as_json:
        output.document("status/1", found.as_json())
    if found.error is not None:
        if not as_json:
            output.failure(found.error)
        raise typer.Exit(found.error.exit_code)
    if found.has_problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _found(
    read: Settings,
    names: list[str],
    config: Path | None,
    identity: list[Path] | None,
    *,
    as_json: bool,
    everything: bool,
) -> RepositoryStatus:
    """All that can be known; shown as a text, unless it is to be a document. Raises what opening the repository raises, where
    this machine knows nothing by itself."""
    with _shown_meanwhile(read, names, as_json=as_json, everything=everything) as meanwhile:
        found = _looked(read, names, config, identity)
    if not as_json and not (found.error is not None and meanwhile.was_shown):
        _show(found, everything=everything)
    return found


def _looked(read: Settings, names: list[str], config: Path | None, identity: list[Path] | None) -> RepositoryStatus:
    try:
        with context.opened(config, identity, brief=True) as opened:
            return strongroom_status.repository_status(opened, names)
    except (StorageError, NoRepository, Damaged) as error:
        reading.hint_at_copies(error, read)
        found = strongroom_status.known_status(read, [name for name in names if name in read.projects], error)
        if not found.is_known:
            raise
        return found


def _watch(
    names: list[str],
    config: Path | None,
    identity: list[Path] | None,
    interval: float,
    *,
    everything: bool,
    refused: bool,
) -> None:
    """Show it again and again. refused: whether options were given that say something else. Raises `UsageError`."""
    if refused:
        raise UsageError("--watch shows it on a terminal, and excludes --json and --html", hint="leave one of them out")
    if terminal_layout.width_of(sys.stdout) is None and not sys.stdout.isatty():
        raise UsageError("--watch needs a terminal", hint="run it without --watch, from time to time")
    clock = environment.services().clock
    try:
        while True:
            show = _round(names, config, identity, everything=everything)
            typer.echo(CLEARED, nl=False)
            output.result(f"{wording.moment(clock.now())}, every {wording.duration(interval)}; Ctrl-C ends it\n")
            show()
            clock.sleep(interval)
    except KeyboardInterrupt as end:
        if str(end) == "SIGTERM":
            raise


def _round(names: list[str], config: Path | None, identity: list[Path] | None, *, everything: bool) -> Callable[[], None]:
    """What shows how everything is now; an error is shown, and may be over by the next time."""
    try:
        found = _looked(settings.load(settings.find(config)), names, config, identity)
    except UsageError:
        raise
    except StrongroomError as failed:
        error = failed
        return lambda: output.failure(error)

    def show() -> None:
        _show(found, everything=everything)
        if found.error is not None:
            output.failure(found.error)

    return show


class _Meanwhile:
    """Shows what this machine knows where the store takes long to answer: once."""

    def __init__(self, read: Settings, names: list[str], *, as_json: bool, everything: bool) -> None:
        self._settings = read
        self._names = [name for name in names if name in read.projects]
        self._everything = everything
        self.was_shown = False
        self._timer = threading.Timer(SHOW_AFTER, self._show)
        self._timer.daemon = True
        if not as_json:
            self._timer.start()

    def cancel(self) -> None:
        """Not any more; where it is just being shown, once it is."""
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()

    def _show(self) -> None:
        with suppress(StrongroomError):
            found = strongroom_status.known_status(self._settings, self._names)
            if found.is_known:
                self.was_shown = True
                output.notice("the store has not answered yet; this is what this machine knows:")
                _show(found, everything=self._everything)


@contextmanager
def _shown_meanwhile(read: Settings, names: list[str], *, as_json: bool, everything: bool) -> Iterator[_Meanwhile]:
    meanwhile = _Meanwhile(read, names, as_json=as_json, everything=everything)
    try:
        yield meanwhile
    finally:
        meanwhile.cancel()


def _show(found: RepositoryStatus, *, everything: bool) -> None:
    output.result(found.verdict.text)
    for line in found.copies_in_words():
        output.result(line)
    for problem in found.problems:
        output.result(f"{problem.severity.upper()} {problem.title}: {problem.message}")
        output.result(f"  what to do: {problem.hint}")
    for reminder in found.reminders:
        output.result(f"reminder: {reminder.title}: {reminder.message}")
        output.result(f"  what to do: {reminder.hint}")
    for name, erased in found.erased.items():
        output.result(f"{erased.message}")
        output.result(f"  what to do: take [projects.{name}] out of the settings")
    for one in found.projects:
        if one.left_to_others is not None:
            output.notice(f"note: {one.left_to_others}")
    if everything:
        _show_all(found)


def _show_all(found: RepositoryStatus) -> None:
    name = f"repository {found.repository}" if found.repository else "the repository, which was not reached,"
    output.result(f"\n{name} at {found.address}")
    beat = found.heartbeat
    if beat.state != "none":
        words = {"running": "runs", "stuck": "DOES NOT MOVE", "killed": "WAS KILLED", "ended": "has ended"}
        since = f", begun {wording.moment(beat.since)}" if beat.since is not None else ""
        seen = f", last sign of life {wording.moment(beat.seen)}" if beat.seen is not None else ""
        output.result(f"the daemon {words.get(beat.state, 'cannot be seen by this user')}{since}{seen}")
    output.table([_source_cells(row) for row in found.sources], SOURCES, right=[SOURCES.index("ITEMS")])
    output.result("")
    output.table([_project_cells(one) for one in found.projects], PROJECTS)
    copies = [_copy_cells(one, copy) for one in found.projects for copy in one.copies]
    if copies:
        output.result("")
        output.table(copies, COPIES)
    for row in found.sources:
        if row.running is not None and row.running.is_dead:
            output.result(f"unfinished {row.title}: {row.running.in_words()}; a prune takes it away when it is a day old")


def _source_cells(row: SourceStatus) -> list[str]:
    return [
        row.project,
        row.source,
        row.state,
        wording.moment(row.taken_at) if row.taken_at is not None else "-",
        wording.duration(row.age.total_seconds()) if row.age is not None else "-",
        wording.duration(row.rpo.total_seconds()) if row.rpo is not None else "-",
        wording.moment(row.next_run) if row.next_run is not None else "-",
        "-" if row.items is None else str(row.items),
        row.running.in_words() if row.running is not None and not row.running.is_dead else "-",
    ]


def _project_cells(one: ProjectStatus) -> list[str]:
    drill = one.drill
    recovery = "-" if drill is None or drill.recovery is None else f"about {wording.duration(drill.recovery.total_seconds())}"
    return [
        one.project,
        wording.moment(drill.at) if drill is not None else "-",
        recovery if drill is None or drill.passed else "FAILED",
        one.checks.in_words() if one.checks is not None else "-",
        "FROZEN" if one.frozen else "free",
    ]


def _copy_cells(one: ProjectStatus, copy: CopyStatus) -> list[str]:
    upcoming = one.next_runs.get(f"copy {copy.copy}")
    return [
        one.project,
        copy.copy,
        copy.in_words(),
        "-" if copy.within is None else wording.duration(copy.within.total_seconds()),
        "-" if upcoming is None else wording.moment(upcoming),
    ]


def _accept(name: str, reason: str, config: Path | None, identity: list[Path] | None, *, as_json: bool) -> None:
    """The older form of `strongroom snapshot accept`. Raises `UsageError`."""
    from cli.commands import snapshot
    from strongroom import snapshot_review

    if not name:
        raise UsageError("--reason needs --accept PROJECT")
    if not reason.strip():
        raise snapshot_review.missing_reason(name)
    output.notice(
        f"notice: `status --accept` is now `strongroom snapshot accept {wording.quoted(name)}`, which shows what changed"
    )
    snapshot.accept(name, reason=reason, yes=True, config=config, identity=identity, as_json=as_json)
