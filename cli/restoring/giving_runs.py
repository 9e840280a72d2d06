"""Restores that give things in another shape: tables converted, an archive, a bucket, one table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import output, progress
from cli.restoring import showing
from cli.restoring.destinations import Archive, Bucket, OneFile, Stdout
from cli.restoring.work import RestoreJob, ShownTarget, agreed, end, forecast
from restore.local_fs.syscalls import stands
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.registry import FORMATS
from vault.errors import UsageError
from vault.format import manifest
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.outputs.output_item import ItemOutcome
    from restore.outputs.sink import Sink
    from restore.outputs.write_items import OutputReport
    from restore.planning.destination import Destination
    from restore.planning.plan import RestorePlan
    from restore.selection.select import Selection
    from vault.storage.s3_objects import S3Objects

NAMES_SHOWN = 5


def to_folder(work: RestoreJob, folder: Path) -> None:
    """Converted, into a folder."""
    from restore.local_fs import Target
    from restore.outputs.folder_sink import FolderSink

    plan = _plan(work)
    with Target(os.fsencode(folder.absolute())) as target:
        _refuse_foreseen(work, plan, target)
        if not agreed(work, [plan], ShownTarget(str(folder), folder, replaces=_foreseen(work, plan, target))):
            return
        target.prepare()
        outcome = _give(work, plan, FolderSink(target), place=target)
    _finish(work, plan, outcome, str(folder))


def to_archive(work: RestoreJob, archive: Archive) -> None:
    """Into a ZIP or tar archive, converted or as it is."""
    from restore.outputs.archive_file import refuse_existing, whole_file
    from restore.outputs.tar_sink import tar_sink
    from restore.outputs.zip_sink import zip_sink

    path, policy = archive.path.absolute(), work.request.policy
    refuse_existing(path, policy)
    plan = _plan(work)
    if not agreed(work, [plan], ShownTarget(archive.text, path.parent, replaces=stands(path))):
        return
    renamed: list[bytes] = []
    with whole_file(path, policy) as out:
        if archive.packing == "zip":
            with zip_sink(out, work.place.zone(work.project)) as zipped:
                outcome = _give(work, plan, zipped, room=path.parent)
                renamed = zipped.renamed
        else:
            with tar_sink(out, archive.packing) as tarred:
                outcome = _give(work, plan, tarred, room=path.parent)
    if renamed:
        some = ", ".join(printable(name) for name in renamed[:NAMES_SHOWN])
        output.notice(f"{counted(len(renamed), 'name')} of bytes that are not valid UTF-8 are written as text ({some}, …)")
    _finish(work, plan, outcome, archive.text)


def to_bucket(work: RestoreJob, bucket: Bucket) -> None:
    """Objects, converted or as they are."""
    from restore.outputs.object_sink import BucketPlace, object_sink

    with _objects(work, bucket) as objects:
        place = BucketPlace(objects)
        plan = _plan(work, place)
        if work.conversion is not None:
            _refuse_foreseen(work, plan, place)
        if not agreed(work, [plan], ShownTarget(bucket.text, replaces=_foreseen(work, plan, place))):
            return
        with object_sink(objects) as sink:
            outcome = _give(work, plan, sink, place=None if work.conversion is None else place)
    _finish(work, plan, outcome, bucket.text)


def to_one_file(work: RestoreJob, destination: Stdout | OneFile) -> None:
    """One table: merged out of many files, or converted out of one."""
    from restore.outputs.archive_file import refuse_existing, whole_file
    from restore.outputs.report import as_output_item
    from restore.outputs.stream_sink import StreamSink

    plan = _plan(work)
    if not work.request.tables.merge and plan.files != 1:
        raise several_files(work.selection)
    if isinstance(destination, Stdout):
        with output.standard_output():
            outcome = _give(work, plan, StreamSink(sys.stdout.buffer), reported=False)
        showing.tell_tables(outcome.told)
        end(work, outcome.report.problems, None)
        return
    path, policy = destination.path.absolute(), work.request.policy
    refuse_existing(path, policy)
    if not agreed(work, [plan], ShownTarget(destination.text, path.parent, replaces=stands(path))):
        return
    with whole_file(path, policy) as out:
        outcome = _give(work, plan, StreamSink(out), room=path.parent, reported=False)
    beside = path.with_name(f"{path.name}.report.json")
    with whole_file(beside, ConflictPolicy.REPLACE) as out:
        report = as_output_item(_report(work, outcome.told), os.fsencode(beside.name))
        out.write(report.content.read() if report.content else b"")
    _finish(work, plan, outcome, destination.text)


def several_files(selection: Selection) -> UsageError:
    """The error for what must be one file and is not."""
    import pyarrow.compute as pc

    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if not files.num_rows:
        return UsageError("no file matches, and one is to be written", hint="name one file, or restore to a folder")
    some = ", ".join(printable(path) for path in files["path"].slice(0, NAMES_SHOWN).to_pylist())
    return UsageError(
        f"{files.num_rows} files match, and one can be written there ({some}, …)",
        hint="narrow the pattern down to one file, make one table of them with --merge, or restore to a folder",
    )


def _plan(work: RestoreJob, place: Destination | None = None) -> RestorePlan:
    """The plan; for what is converted nothing stands in the way before it is made."""
    from restore.planning.destination import EmptyDestination
    from restore.planning.plan import make_plan

    if place is None or work.conversion is not None:
        plan = make_plan(work.selection, EmptyDestination(), ConflictPolicy.REFUSE, work.today)
    else:
        plan = make_plan(work.selection, place, work.request.policy, work.today)
    return plan.without_missing() if work.request.incomplete else plan


def _refuse_foreseen(work: RestoreJob, plan: RestorePlan, place: Destination) -> None:
    from restore.outputs.conflict_guard import refuse_foreseen

    conversion = work.conversion
    if work.request.policy is ConflictPolicy.REFUSE and conversion is not None and not work.request.tables.merge:
        refuse_foreseen(plan.items, conversion, place)


def _foreseen(work: RestoreJob, plan: RestorePlan, place: Destination) -> int:
    """How much of what stands there what is converted may replace, as far as that can be told beforehand."""
    from restore.outputs.conflict_guard import in_the_way

    conversion = work.conversion
    if conversion is None or work.request.policy not in (ConflictPolicy.REPLACE, ConflictPolicy.NEWER):
        return 0
    if work.request.tables.merge:
        return len(place.existing([merged_name(work)]))
    return len(in_the_way(plan.items, conversion, place))


def _give(
    work: RestoreJob,
    plan: RestorePlan,
    sink: Sink,
    *,
    place: Destination | None = None,
    room: Path | None = None,
    reported: bool = True,
) -> OutputReport:
    """Give everything. place: where what is made must not take what stands there · room: beside it is where contents wait."""
    from restore.outputs.conflict_guard import ConflictGuard
    from restore.outputs.report import NAME, as_output_item
    from restore.outputs.scratch_dir import scratch_dir
    from restore.outputs.write_items import OutputOptions, write_items

    request, conversion = work.request, work.conversion
    guard = None if place is None else ConflictGuard(sink, place, request.policy, work.today)
    with (
        scratch_dir(room) as private,
        progress.shown(quiet=request.quiet or request.as_json, project=work.project) as listener,
    ):
        giving = OutputOptions(
            room=private,
            conversion=conversion,
            merged=merged_name(work) if request.tables.merge else None,
            zone=work.place.zone(work.project),
            report=(lambda told: as_output_item(_report(work, told), NAME)) if reported and conversion is not None else None,
        )
        outcome = write_items(plan, guard or sink, giving, progress=listener)
    if guard is not None:
        report, left = outcome.report, guard.left
        report.skipped += left.skipped
        report.newer += left.newer
        report.already_there += left.already_there
        report.files -= left.files
        report.links -= left.links
        report.bytes -= left.bytes
    return outcome


def _report(work: RestoreJob, told: list[ItemOutcome]) -> dict[str, Any]:
    from restore.outputs.report import report_of

    return report_of(work.selection, {**work.asked, **work.request.tables.as_json()}, told)


def merged_name(work: RestoreJob) -> bytes:
    """A name for the one table where nobody gave one: project, kinds, periods."""
    conversion = work.conversion
    target = (conversion.target if conversion else None) or "csv"
    words = [work.project, *work.query.kinds, *work.query.periods]
    stem = "-".join(words).replace("/", "_").replace("\0", "_")
    return os.fsencode(f"{stem[:120]}.{FORMATS[target].endings[0]}")


@contextmanager
def _objects(work: RestoreJob, bucket: Bucket) -> Iterator[S3Objects]:
    """The bucket, reached as the settings say where the options say nothing."""
    from strongroom.context import store_options
    from vault.storage.s3_client import S3Options
    from vault.storage.s3_objects import S3Objects

    request, services = work.request, work.selection.project.services
    options = store_options(work.place.settings.repository)
    if request.endpoint or request.region:
        s3 = S3Options(request.endpoint, request.region, profile=options.s3.profile)
    else:
        s3 = options.s3
    objects = S3Objects(bucket.address.bucket, bucket.address.prefix, s3, options.patience, services.clock, services.randomness)
    try:
        yield objects
    finally:
        objects.close()


def _finish(work: RestoreJob, plan: RestorePlan, outcome: OutputReport, where: str) -> None:
    report = outcome.report
    document = {"plan": showing.plan_document([plan], forecast(work, [plan])), **report.as_json()}
    if work.conversion is not None:
        document["export"] = _report(work, outcome.told)["counts"]
    if not work.request.as_json:
        showing.tell(report, where)
        if work.conversion is not None:
            showing.tell_tables(outcome.told)
    end(work, report.problems, document)
