"""A run of a publication: what is new or changed is written, then what is gone is deleted, then the state is written.

killed before the state is written      the next run finds in the journal what this one has written, and goes on from there
an item cannot be had                   what was published of it before stays
another run was faster                  in a bucket: this one ends without writing the state, and the next one puts it right
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field
from msgspec.structs import replace

from restore.execution.row_view import taken
from restore.outputs.write_items import OutputOptions, write_items
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import make_plan
from restore.publishing.changes import OwnFiles, PublicationChanges, PublicationOptions, changes, removable
from restore.publishing.sink import PublicationSink
from restore.publishing.state import (
    MOST_ITEMS,
    LineSigner,
    PublicationHeader,
    PublicationState,
    PublishedItem,
    decode,
    encode,
    read_header,
    read_journal,
)
from vault.errors import Busy, Damaged, TargetError, UsageError
from vault.format import manifest
from vault.problems import Problem
from vault.progress import NoProgress, Progress
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.outputs.conversion import Conversion
    from restore.outputs.output_item import ItemOutcome
    from restore.publishing.place import PublicationPlace
    from restore.selection.select import Selection

REVISION = 1
"""Of what conversions make: a later version of this program that makes other files of the same tables publishes them anew."""


class PublicationRequest(Struct, frozen=True):
    """What is to be published. selection: of items · conversion: of tables, None for files as they are · asked: the same in the
    words of who asked, for the state · switch: whatever was published there before gives way · zone: of
    periods."""

    selection: Selection
    conversion: Conversion | None
    asked: dict[str, Any]
    options: PublicationOptions
    zone: ZoneInfo
    switch: bool = False


class PublicationReport(Struct):
    """What a run did. files, bytes: written · removed: files that were deleted · left: files of what is no longer selected that
    stay · new, changed, unchanged: items · outcomes: of the items that were written · seconds: how long it took."""

    files: int = 0
    bytes: int = 0
    removed: int = 0
    left: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    outcomes: list[ItemOutcome] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0


class Comparison(Struct):
    """What stands at a place, beside what shall."""

    state: PublicationState
    own: OwnFiles
    items: pa.Table
    tokens: list[str]
    changes: PublicationChanges


def compare(request: PublicationRequest, place: PublicationPlace) -> Comparison:
    """What a run would have to do. Nothing is written. Raises `TargetError` where something else is published there, `Damaged`
    where its state cannot be used, `StorageError`."""
    state = _read_state(request, place)
    selection = request.selection
    items = only_files(selection.table)
    if items.num_rows > MOST_ITEMS:
        raise UsageError(
            f"{counted(items.num_rows, 'item')} are more than one publication takes, which is {MOST_ITEMS}",
            hint="publish some of them, with --kind or --period, to a place of their own",
        )
    found_tokens = tokens(items, request)
    own = OwnFiles(place, state)
    conversion = request.conversion
    found = changes(
        items, found_tokens, state, own, request.options, lambda name: conversion is None or conversion.source_of(name) is None
    )
    return Comparison(state, own, items, found_tokens, found)


def publish(
    request: PublicationRequest,
    place: PublicationPlace,
    scratch: Path,
    stop: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> PublicationReport:
    """Bring a place up to date. scratch: a private folder for contents on their way · stop: called often, raises to end the
    run; the next one goes on from there. Raises what `compare` raises, `Busy` where another run publishes there."""
    clock = request.selection.project.services.clock
    began = clock.monotonic()
    with place.begin():
        found = compare(request, place)
        done = found.changes
        report = PublicationReport(
            new=done.new, changed=done.changed, unchanged=done.unchanged, left=done.left, problems=[*done.problems]
        )
        items = dict(done.kept)
        if done.rows:
            items |= _write(request, place, found, report, scratch, stop, progress or NoProgress())
        else:
            report.problems += request.selection.damage
        stop()
        _remove(request, place, found, items, report)
        _settle(request, place, found, items, clock.now())
    report.seconds = clock.monotonic() - began
    return report


def _write(
    request: PublicationRequest,
    place: PublicationPlace,
    found: Comparison,
    report: PublicationReport,
    scratch: Path,
    stop: Callable[[], None],
    progress: Progress,
) -> dict[bytes, PublishedItem]:
    """Write what is new or changed; gives what the state says of these items."""
    selection, conversion = request.selection, request.conversion
    wanted = taken(found.items, found.changes.rows)
    own_selection = replace(selection, table=wanted, above=manifest.schema().empty_table())
    plan = make_plan(own_selection, EmptyDestination(), ConflictPolicy.REFUSE, selection.project.services.clock.now().date())
    plan = plan.without_missing() if plan.missing else plan
    by_path = {found.items["path"][row].as_py(): found.tokens[row] for row in found.changes.rows}
    kept_names = frozenset(file.name for item in found.changes.kept.values() for file in item.files)
    options = OutputOptions(scratch, conversion, zone=request.zone, taken=kept_names)
    with place.sink() as inner:
        sink = PublicationSink(place, inner, found.own, by_path, _signer(request))
        sink.adopt = request.options.adopt
        output = write_items(plan, sink, options, stop, progress)
    for name, standing in place.look(sink.written.keys()).items():
        if standing.mtime_ns is not None:  # of what file systems know of a time
            sink.written[name] = replace(sink.written[name], mtime_ns=standing.mtime_ns)
    report.outcomes = output.outcomes
    report.problems += output.report.problems
    report.files = len(sink.written) - len(sink.unchanged)
    report.bytes = sum(file.size for name, file in sink.written.items() if name not in sink.unchanged)
    return dict(_published(found, output.outcomes, sink, by_path))


def _published(
    found: Comparison, outcomes: Sequence[ItemOutcome], sink: PublicationSink, by_path: dict[bytes, str]
) -> list[tuple[bytes, PublishedItem]]:
    """What the state says of items that were written; of those that could not be, what was published of them before stays."""
    made = []
    by_item = {one.path: one for one in outcomes}
    for path, token in by_path.items():
        outcome = by_item.get(path)
        names = outcome.outputs if outcome is not None else []
        files = tuple(sink.written[name] for name in names if name in sink.written)
        is_whole = outcome is not None and not outcome.problems and len(files) == len(names) and bool(names)
        if not is_whole:
            known = found.state.items.get(path)
            older = known.files if known is not None else ()
            files += tuple(file for file in older if file.name not in sink.written and file.name not in sink.refused)
        made.append((path, PublishedItem(path, token if is_whole else "", files)))
    return made


def _remove(
    request: PublicationRequest,
    place: PublicationPlace,
    found: Comparison,
    items: dict[bytes, PublishedItem],
    report: PublicationReport,
) -> None:
    """Delete the files of the publication that no item has any more."""
    if request.options.nothing_goes:
        return
    staying = {file.name for item in items.values() for file in item.files}
    known = {one.path for one in found.changes.problems}
    stale = sorted(found.own.versions.keys() - staying - known)
    names, problems = removable(stale, found.own, request.options)
    report.problems += problems + place.remove(names)
    report.removed = sum(name in found.own.standing for name in names)


def _settle(
    request: PublicationRequest, place: PublicationPlace, found: Comparison, items: dict[bytes, PublishedItem], now: datetime
) -> None:
    """Write the state. Raises `Busy` where another run has done so meanwhile."""
    project, before = request.selection.project, found.state.header
    lines = place.state()
    meanwhile = read_header(lines, _signer(request)) if lines is not None else None
    if (None if meanwhile is None else meanwhile.run) != (None if before is None else before.run):
        hint = "run it again: what both have written is put right then"
        raise Busy(f"another run has published to {place.describe()} meanwhile", hint=hint)
    randomness = project.services.randomness
    header = PublicationHeader(
        id=before.id if before is not None else randomness.token(16).hex(),
        run=randomness.token(16).hex(),
        project=project.id,
        asked=request.asked,
        published_at=now.isoformat(),
        snapshots=tuple(one.id for one in request.selection.records),
    )
    place.settle(encode(header, (items[path] for path in sorted(items)), _signer(request)))


def _read_state(request: PublicationRequest, place: PublicationPlace) -> PublicationState:
    signer = _signer(request)
    lines = place.state()
    try:
        state = PublicationState.empty() if lines is None else decode(lines, signer)
    except Damaged as error:
        raise TargetError(
            f"what {place.describe()} says of itself cannot be used: {error}",
            hint="publish to another place; or remove .strongroom-publication there, and take over its files with --adopt",
        ) from error
    if state.header is not None and state.header.asked != request.asked:
        if not request.switch:
            raise TargetError(
                f"something else is published to {place.describe()}: {_in_words(state.header.asked)}",
                hint="name another place, or say --switch to publish this in its stead",
            )
        state.items = {path: replace(item, token="") for path, item in state.items.items()}
    read_journal(place.journal(), state, signer)
    return state


def only_files(table: pa.Table) -> pa.Table:
    """Rows of manifests without folders and links, which are not published."""
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["type"], manifest.FILE)).combine_chunks()


def tokens(items: pa.Table, request: PublicationRequest) -> list[str]:
    """Of each item, what its content and its conversion are known by."""
    conversion = request.conversion
    columns = (items[name].to_pylist() for name in ("blake3", "size", "format", "vanished_at", "source", "path"))
    found = []
    for digest, size, format_name, vanished_at, source, path in zip(*columns, strict=True):
        parts: list[object] = ["" if digest is None else digest.hex(), size]
        if conversion is not None and (digest is None or conversion.source_of(format_name) is not None):
            parts += [REVISION, format_name, conversion.headers.of(source)]
            parts += [vanished_at] if conversion.deleted_columns is not None else []
            parts += [conversion.deleted_rows.token(source, path)] if conversion.deleted_rows is not None else []
        found.append(" ".join(str(one) for one in parts))
    return found


def _signer(request: PublicationRequest) -> LineSigner:
    project = request.selection.project
    return LineSigner(project.capability.tag_key, project.id)


def _in_words(asked: object) -> str:
    if not isinstance(asked, dict):
        return "another selection"
    return ", ".join(f"{name} {value}" for name, value in sorted(asked.items()) if value) or "everything"
