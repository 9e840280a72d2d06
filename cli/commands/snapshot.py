"""`strongroom snapshot show|accept`: one snapshot, and that a person has looked at one that was flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import EXIT_CODES, Config, FromCopy, Identity, Json, Repository, Source, Yes
from strongroom import snapshot_review
from strongroom.context import opened
from strongroom.reading import opened_to_look
from strongroom.snapshot_details import snapshot_details
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.snapshot_changes import FolderChanges, SnapshotChanges
    from strongroom.snapshot_details import SnapshotDetails, SnapshotFlag
    from strongroom.snapshot_review import FlaggedSnapshot
    from vault.coverage import Coverage

app = typer.Typer(
    help="One snapshot: all about it, and accepting one that was flagged.", no_args_is_help=True, rich_markup_mode=None
)

ENTITIES_SHOWN = 12

ProjectName = Annotated[str, typer.Argument(metavar="PROJECT")]


@app.command("show", epilog=EXIT_CODES)
def show(
    project: ProjectName,
    snapshot: Annotated[
        str,
        typer.Argument(
            metavar="SNAPSHOT", help="latest, an id or its beginning, or a time: the newest one up to then. Default: latest."
        ),
    ] = "latest",
    source: Source = None,
    from_copy: FromCopy = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Everything about one snapshot: when and of what it was taken, what it holds and cost, its problems, what it changed, what
    was suspicious, which holds are on it, and why retention keeps it."""
    with opened_to_look(config, identity, address=repository, copy=from_copy) as context:
        found = snapshot_details(context, context.project(project), snapshot, source)
    if as_json:
        output.document("snapshot-show/1", found.as_json())
    else:
        for line in _details(found):
            output.result(line)
    output.finish(found.damage)


@app.command("accept", epilog=EXIT_CODES)
def accept(
    project: ProjectName,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(metavar="SNAPSHOT", help="An id, its beginning, or latest. Default: all that are flagged."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why all is well; it stays in the repository.")] = "",
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show what flagged snapshots changed and why they were flagged; then accept them, so that retention goes on.

    Each is compared with the newest snapshot before it that is not flagged. Nothing is accepted without a reason, which stays
    in the repository beside the name of who gave it.
    """
    with opened(config, identity) as context:
        own = context.project(project)
        flagged = snapshot_review.flagged_snapshots(context, own, snapshots or [])
        if not as_json:
            for one in flagged:
                _show_flagged(one)
        if not reason.strip():
            raise snapshot_review.missing_reason(project)
        if not yes:
            prompts.confirm(f"Accept {counted(len(flagged), 'snapshot')}, so that retention of {project} goes on?")
        done = snapshot_review.accept_snapshots(context, own, flagged, reason=reason)
    if as_json:
        output.document("snapshot-accept/1", done.as_json())
        return
    for accepted in done.accepted:
        output.result(f"{project}: accepted by {done.who}: {accepted.why}")
    for why in done.frozen:
        output.notice(f"notice: retention of {project} is still frozen: {why}")


def _show_flagged(one: FlaggedSnapshot) -> None:
    record = one.record
    when = f" of {record.source}, taken {wording.moment(record.taken_at)}" if record is not None else ""
    output.result(f"snapshot {one.snapshot}{when}")
    output.result(f"  why it was flagged: {one.why}")
    if one.trouble:
        output.result(f"  {one.trouble}")
    for line in _changes(one.changes) if one.changes is not None else ():
        output.result(f"  {line}")


def _changes(changes: SnapshotChanges) -> Iterator[str]:
    before, after = changes.before, changes.after
    yield f"compared with {before.id}, taken {wording.moment(before.taken_at)}, the last one before that is not flagged:"
    sizes = f"{wording.size(before.counts.bytes)} -> {wording.size(after.counts.bytes)}"
    yield f"  items {before.counts.items} -> {after.counts.items}, {sizes}"
    yield f"  {', '.join(f'{count} {what}' for what, count in changes.counts.items())}"
    if changes.folders:
        yield "the folders that changed most, by their files:"
        for folder in changes.folders:
            yield f"  {_folder(folder)}"
        yield from _more(changes.folders_total - len(changes.folders), "folder")
    if changes.vanished:
        yield "what is not there any more:"
        yield from (f"  {printable(path)}" for path in changes.vanished)
        yield from _more(changes.counts["deleted"] - len(changes.vanished), "item")


def _folder(one: FolderChanges) -> str:
    parts = [
        f"{number} {what}" for number, what in ((one.deleted, "deleted"), (one.changed, "changed"), (one.created, "created"))
    ]
    gone = ", nothing is left" if one.is_gone else ""
    said = ", ".join(part for part in parts if not part.startswith("0 "))
    return f"{printable(one.folder)}: {said} (had {counted(one.before, 'file')}{gone})"


def _more(number: int, what: str) -> Iterator[str]:
    if number > 0:
        yield f"  … and {counted(number, what)} more"


def _details(found: SnapshotDetails) -> Iterator[str]:
    one, counts = found.record, found.record.counts
    yield f"snapshot {one.id} of {found.project}/{one.source}" + (" (the newest of its source)" if found.newest else "")
    yield f"  taken      {wording.moment(one.taken_at, found.zone)}, in {wording.duration(found.seconds)}"
    yield f"  by         {one.writer} on {one.host}"
    yield f"  items      {counts.items} of kind {one.kind}, {counted(counts.files, 'file')}"
    read, stored = wording.size(counts.read_bytes), wording.size(counts.stored_bytes)
    yield f"  size       {wording.size(counts.bytes)}, {read} read, {stored} stored"
    follows = f"compared with {found.before}" if found.before is not None else "no earlier one of its source is left"
    changed = f"{counts.added} added, {counts.changed} changed, {counts.vanished} vanished, {counts.unchanged} unchanged"
    yield f"  changes    {changed}; {follows}"
    yield from _coverage(one.coverage)
    yield f"  retention  {_retention(found)}"
    for flag in found.flags:
        yield f"  flagged    {_flag(flag)}"
    for hold in (one.hold for one in found.holds):
        yield f"  held       {hold.reason} (by {hold.who}, hold {hold.id}, on {hold.scope.as_text()})"
    yield f"  problems   {counts.problems or 'none'}"
    for problem in one.problems:
        yield f"    {problem.get('path', '')}: {problem.get('message', '')}"
    yield from (f"  {line}" for line in _more(counts.problems - len(one.problems), "problem"))


def _coverage(coverage: Coverage | None) -> Iterator[str]:
    """What the source says of itself; of a folder only what is missing."""
    if coverage is None:
        return
    names = [one.name for one in coverage.entities]
    if coverage.source != "folder":
        shown = ", ".join(names[:ENTITIES_SHOWN]) + (f" and {len(names) - ENTITIES_SHOWN} more" * (len(names) > ENTITIES_SHOWN))
        yield f"  covers     {coverage.source}: {shown or 'nothing'}"
        yield f"             {'all of one moment' if coverage.one_moment else 'each item of its own moment'}"
    if not coverage.deletions:
        yield "  gap        the source was not read whole: what it did not show may still be there"
    for gap in coverage.gaps:
        yield f"  gap        {gap}"


def _retention(found: SnapshotDetails) -> str:
    if found.kept is None:
        return "the settings do not name this project: nothing forgets its snapshots"
    why = "; ".join(reason.text for reason in found.reasons)
    return f"stays: {why}" if found.kept else f"goes with the next `retention apply`: {why}"


def _flag(flag: SnapshotFlag) -> str:
    if flag.accepted_at is None:
        return f"{flag.why}; nobody has accepted it yet"
    return f"{flag.why}; accepted by {flag.accepted_by} on {wording.moment(flag.accepted_at)}: {flag.reason}"
