"""`strongroom project show|rename|move-source`: all about one project, another name for it, another folder for a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import Config, Identity, Json, Repository, Yes
from strongroom import context, project_rename, source_move
from strongroom.project_details import project_details
from vault import wording
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.project_details import ProjectDetails, SourceDetails
    from strongroom.project_rename import PlannedRename
    from strongroom.source_move import PlannedMove

ProjectName = Annotated[str, typer.Argument(metavar="NAME", help="The project's name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and change nothing.")]


def show(
    name: ProjectName,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Everything about one project: sources and their folders, schedule, retention, snapshots, size, keys, holds, what is
    expected."""
    with context.opened(config, identity, brief=True, address=repository) as opened:
        found = project_details(opened, opened.project(name))
    if as_json:
        output.document("project-show/1", found.as_json())
    else:
        for line in _details(found):
            output.result(line)
    output.finish(found.damage)


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that it has in the settings.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one that it gets.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Give a project another name on this machine. All its snapshots stay, and are reached by either name.

    The settings file is changed: it names the project by its id from then on. What this machine remembers of runs, checks and
    drills follows. Other machines go on with their own settings until the same is done there. A rename that was interrupted is
    completed by the same command.
    """
    with context.opened(config, identity) as opened:
        planned = project_rename.plan_rename(opened, old, new)
        if not as_json:
            for line in _rename_in_words(planned, opened.settings.file):
                output.result(line)
        if dry_run:
            if as_json:
                output.document("project-rename-plan/1", planned.as_json())
            return
        if planned.text is not None and not yes:
            prompts.confirm(f"Change {opened.settings.file}?")
        done = project_rename.rename_project(opened, planned)
    if as_json:
        output.document("project-rename/1", done.as_json())
    else:
        output.result(f"{old} is called {new} now; {counted(done.runs, 'run')} of its history took the new name")
    _reload(running=done.daemon)


def move_source(
    name: ProjectName,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source's name.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder in which its data lies now.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Tell where a source's folder is now. Its history goes on: files under the same names are the same files.

    How many of the stored files the new folder has is counted first. A folder that has none of them is refused: the next backup
    would find that everything has vanished.
    """
    with context.opened(config, identity) as opened:
        planned = source_move.plan_move(opened, opened.project(name), source, path)
        if not as_json:
            for line in _move_in_words(planned):
                output.result(line)
        if not dry_run:
            if not yes:
                prompts.confirm(f"Change {opened.settings.file}?")
            source_move.move_source(opened, planned)
        running = not dry_run and source_move.daemon_runs(opened)
    if as_json:
        output.document("project-move-source/1", planned.as_json() | {"settings_changed": not dry_run})
    elif not dry_run:
        output.result(f"the folder of {name}/{source} is {planned.after} now")
        output.result(f"Next: strongroom backup {quoted(name)} --source {quoted(source)}")
    _reload(running=running)
    output.finish(planned.problems)


def _reload(*, running: bool) -> None:
    if running:
        output.notice("the daemon must read the settings anew: `systemctl reload strongroom`, or send it SIGHUP")


def _rename_in_words(planned: PlannedRename, file: Path) -> Iterator[str]:
    stays = counted(planned.snapshots, "snapshot stays", "snapshots stay")
    yield f"project {planned.project.id}: {planned.old} -> {planned.new}; its {stays}"
    if planned.by_hand:
        yield f"the settings must be changed by hand: {planned.by_hand}"
    elif planned.text is not None:
        yield f"{file} will name it {planned.new}, with its id"
    else:
        yield f"{file} names it {planned.new} already"


def _move_in_words(planned: PlannedMove) -> Iterator[str]:
    yield f"{planned.project}/{planned.source}: {planned.before} -> {planned.after}"
    if planned.snapshot is None:
        yield f"it was never backed up; the new folder has {counted(planned.new, 'file')}"
    else:
        stored = f"{counted(planned.files, 'file')} of snapshot {planned.snapshot}"
        yield f"of {stored}, the new folder has {planned.found} under the same names:"
        yield f"  {planned.same_size} of the same size, {planned.missing} missing, and {counted(planned.new, 'new file')}"
        if planned.missing:
            vanished = counted(planned.missing, "file has", "files have")
            yield f"the next backup will find that {vanished} vanished; they stay in the repository"
    if planned.by_hand:
        yield f"the settings must be changed by hand: {planned.by_hand}"


def _details(found: ProjectDetails) -> Iterator[str]:
    stored = f" (in the repository: {found.stored_name})" if found.stored_name else ""
    yield f"{found.project}{stored}, id {found.project_id}"
    keys = counted(found.keys, "key object")
    yield f"  keys       {keys}; yours may {'back up and restore' if found.capability == 'read' else 'back up, and not read'}"
    size = f"{wording.size(found.stored_bytes)} in {counted(found.packs, 'pack')}"
    yield f"  stored     {counted(found.snapshots, 'snapshot')}, {size}"
    yield f"  zone       {found.zone}"
    if not found.listed:
        yield "  settings   do not name it: nothing is backed up or forgotten"
    for source in found.sources:
        yield from _source(source)
    for job, when in found.schedule.items():
        yield f"  {job:<10} {when}"
    if found.listed and not found.schedule:
        yield "  schedule   none: it is backed up by hand only"
    if found.rpo_seconds is not None:
        yield f"  rpo        a backup may be {wording.duration(found.rpo_seconds)} old"
    if found.keep:
        yield f"  keep       {', '.join(f'{name} {count}' for name, count in found.keep.items() if count)}"
    for why in found.frozen:
        yield f"  frozen     {why}"
    for hold in (one.hold for one in found.holds):
        yield f"  held       {hold.scope.as_text()}: {hold.reason} (by {hold.who}, hold {hold.id})"


def _source(one: SourceDetails) -> Iterator[str]:
    yield f"  source     {one.name}, of kind {one.kind}, {one.path or one.url or 'not in the settings'}"
    if one.first is None or one.last is None:
        yield "             never backed up"
    else:
        first, last = wording.moment(one.first.taken_at), wording.moment(one.last.taken_at)
        holds = f"{counted(one.last.counts.items, 'item')}, {wording.size(one.last.counts.bytes)}"
        when = f"of {last}" if one.snapshots == 1 else f"{first} to {last}"
        yield f"             {counted(one.snapshots, 'snapshot')}, {when}; the last: {holds}"
    for expected in one.expected:
        yield f"             expected: {expected}"
