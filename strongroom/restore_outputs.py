"""Restores whose files are made on the way: converted tables, archives, objects of a bucket, one table out of many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import Struct

from restore.execution.ordered_reader import Room, whole_window
from restore.execution.verification import written_items
from restore.local_fs import Attributes, Target, TargetItem
from restore.outputs.archive_file import whole_file
from restore.outputs.conflict_guard import ConflictGuard
from restore.outputs.folder_sink import FolderSink
from restore.outputs.object_sink import BucketPlace, object_sink
from restore.outputs.report import NAME, as_output_item, problems_item, report_of
from restore.outputs.scratch_dir import scratch_dir
from restore.outputs.sink import OutputEntry
from restore.outputs.stream_sink import StreamSink
from restore.outputs.tar_sink import tar_sink
from restore.outputs.write_items import OutputOptions, OutputReport, write_items
from restore.outputs.zip_sink import zip_sink
from restore.planning.conflict_policy import ConflictPolicy
from strongroom import notices, remote_destinations
from strongroom.destinations import (
    Archive,
    Bucket,
    Dav,
    Folder,
    Mail,
    TableFile,
    opened_bucket,
    opened_dav,
    opened_mail,
    opened_source_bucket,
)
from strongroom.remote_destinations import RemoteFolder
from strongroom.restore_parts import today
from strongroom.table_options import TableOptions, merged_name
from vault.problems import printable
from vault.progress import Stop
from vault.wording import counted

if TYPE_CHECKING:
    from restore.outputs.conversion import Conversion
    from restore.outputs.output_item import ItemOutcome, OutputItem
    from restore.outputs.sink import OutputSink
    from restore.planning.destination import Destination as ExistingItems
    from restore.planning.plan import RestorePlan
    from strongroom.context import Context
    from strongroom.restore_plan import PlannedRestore
    from strongroom.selection import SelectedItems
    from vault.progress import Progress

NAMES_SHOWN = 5


class OutputRun(Struct, frozen=True):
    """One such restore. conversion: of tables, None to write everything as it is · policy: what becomes of files that exist ·
    verify: whether archives and objects are read again · seen: what stood on a server when the plan was made · room: how much
    is read ahead."""

    context: Context
    selected: SelectedItems
    tables: TableOptions
    conversion: Conversion | None
    plan: RestorePlan
    policy: ConflictPolicy
    stop: Stop
    progress: Progress
    verify: bool = False
    seen: ExistingItems | None = None
    room: Room = whole_window

    @classmethod
    def of(cls, planned: PlannedRestore, stop: Stop, progress: Progress) -> OutputRun:
        """That of a plan."""
        (plan,) = planned.plans_to_execute()
        tables, conversion = planned.options.tables, planned.conversion
        verify, room = planned.options.verify, planned.options.room
        made = (planned.context, planned.selected, tables, conversion, plan, planned.policy, stop, progress, verify)
        return cls(*made, planned.parts[0].seen, room)

    def to(self, destination: Folder | Archive | Bucket | Dav | RemoteFolder | Mail | TableFile) -> OutputReport:
        """Write everything to where it goes. Raises `TargetError`, `Busy`, `StorageError`."""
        match destination:
            case Folder():
                return self._to_folder(destination)
            case Archive():
                return self._to_archive(destination)
            case Bucket():
                return self._back_to_bucket(destination) if destination.in_place else self._to_bucket(destination)
            case Dav():
                return self._to_dav(destination)
            case RemoteFolder():
                return self._to_server(destination)
            case Mail():
                return self._to_mail(destination)
            case TableFile():
                return self._to_table_file(destination)

    def to_stream(self, out: BinaryIO) -> OutputReport:
        """One table to a stream."""
        return self._write(StreamSink(out), reported=False)

    def to_zip_stream(self, out: BinaryIO, level: int | None) -> OutputReport:
        """A ZIP archive to a stream that need not seek. What went wrong is named in its last file: whoever gets the
        archive may see nothing else. level: as for `zip_sink`."""
        with zip_sink(out, self.selected.zone, level) as zipped:
            outcome = self._write(zipped)
            problems = outcome.report.problems
            if problems:
                zipped.file(problems_item(problems), OutputEntry(Attributes(mode=0o644, mtime_ns=0)))
            _notice_renamed(zipped.renamed)
        return outcome

    def _to_folder(self, folder: Folder) -> OutputReport:
        """Converted, to a folder."""
        with Target(os.fsencode(folder.path.absolute())) as target:
            target.prepare()
            return self._write_beside(FolderSink(target), target)

    def _to_archive(self, archive: Archive) -> OutputReport:
        """To a ZIP or tar archive, converted or as it is."""
        path = archive.path.absolute()
        with whole_file(path, self.policy) as out:
            if archive.packing != "zip":
                with tar_sink(out, archive.packing) as tarred:
                    outcome = self._write(tarred, scratch=path.parent)
                names: dict[str, bytes] = {}
            else:
                with zip_sink(out, self.selected.zone) as zipped:
                    outcome = self._write(zipped, scratch=path.parent)
                names = zipped.names
                _notice_renamed(zipped.renamed)
        if self.verify:
            from restore.outputs.archive_verification import verify_archive

            items = self._written(outcome)
            verified = verify_archive(path, archive.packing, items, names, self.stop, self.progress)
            outcome.verification = verified
        return outcome

    def _written(self, outcome: OutputReport) -> Iterator[TargetItem]:
        """What was written, with the names that it has there."""
        return written_items(self.plan, {one.path for one in outcome.report.problems if one.what != "attributes"})

    def _to_bucket(self, bucket: Bucket) -> OutputReport:
        """To objects of a bucket, converted or as they are."""
        with opened_bucket(self.context, self.selected.project, bucket) as objects, object_sink(objects) as sink:
            if self.conversion is not None:
                return self._write_beside(sink, BucketPlace(objects))
            outcome = self._write(sink)
            if self.verify:
                from restore.outputs.object_verification import verify_objects

                outcome.verification = verify_objects(objects, self._written(outcome), self.stop, self.progress)
            return outcome

    def _back_to_bucket(self, bucket: Bucket) -> OutputReport:
        """To the bucket that the items came from."""
        from restore.outputs.bucket_in_place import BucketInPlace, bucket_in_place

        project = self.selected.project
        with (
            opened_source_bucket(self.context, project, bucket) as reader,
            opened_bucket(self.context, project, bucket) as objects,
        ):
            place = self.seen.reached_by(reader) if isinstance(self.seen, BucketInPlace) else BucketInPlace(reader)
            with bucket_in_place(objects, place, reader) as sink:
                outcome = self._write(sink)
            if self.verify:
                from restore.outputs.object_verification import verify_objects

                outcome.verification = verify_objects(objects, self._written(outcome), self.stop, self.progress)
            return outcome

    def _to_dav(self, dav: Dav) -> OutputReport:
        """To a WebDAV server, converted or as they are."""
        from restore.outputs.dav_sink import DavPlace, DavSink, verify_dav

        with opened_dav(dav, self.selected.project) as client:
            place = DavPlace(client)
            if self.conversion is not None:
                return self._write_beside(DavSink(client, place), place)
            seen = self.seen.reached_by(client) if isinstance(self.seen, DavPlace) else None
            outcome = self._write(DavSink(client, place, seen))
            if self.verify:
                outcome.verification = verify_dav(client, self._written(outcome), self.stop, self.progress)
            return outcome

    def _to_server(self, folder: RemoteFolder) -> OutputReport:
        """To a folder on a server, converted or as they are."""
        from restore.outputs.remote_sink import RemotePlace, remote_sink, verify_remote

        clock = self.selected.project.services.clock
        with remote_destinations.opened(folder, clock) as files:
            place = RemotePlace(files, clock, self.seen.seen if isinstance(self.seen, RemotePlace) else None)
            with remote_sink(files, place, clock) as sink:
                if self.conversion is not None:
                    return self._write_beside(sink, place)
                outcome = self._write(sink)
            if self.verify:
                outcome.verification = verify_remote(files, clock, self._written(outcome), self.stop, self.progress)
            return outcome

    def _to_mail(self, mail: Mail) -> OutputReport:
        """To mailboxes of an IMAP server."""
        from restore.outputs.mail_place import MailPlace
        from restore.outputs.mail_sink import MailSink, verify_mail

        items = self.plan.items.select(["path", "size"])
        with (
            opened_mail(mail, self.selected.project) as client,
            closing(MailPlace(client, mail.base, items, self.stop, estimated=mail.estimated)) as place,
        ):
            outcome = self._write(MailSink(place))
            if self.verify:
                outcome.verification = verify_mail(place, self._written(outcome), self.stop, self.progress)
            return outcome

    def _to_table_file(self, destination: TableFile) -> OutputReport:
        """One table to a file, and the report of it to another one beside that."""
        path = destination.path.absolute()
        with whole_file(path, self.policy) as out:
            outcome = self._write(StreamSink(out), scratch=path.parent, reported=False)
        report_file = path.with_name(f"{path.name}.report.json")
        with whole_file(report_file, ConflictPolicy.REPLACE) as out:
            report = as_output_item(self._report(outcome.outcomes), os.fsencode(report_file.name))
            out.write(report.content.read() if report.content else b"")
        return outcome

    def _write_beside(self, sink: OutputSink, existing: ExistingItems) -> OutputReport:
        """Write everything where other files exist, which what is written must not replace against the policy."""
        guard = ConflictGuard(sink, existing, self.policy, today(self.selected.project))
        outcome = self._write(guard)
        report, kept = outcome.report, guard.left
        report.skipped += kept.skipped
        report.newer += kept.newer
        report.already_there += kept.already_there
        report.files -= kept.files
        report.links -= kept.links
        report.bytes -= kept.bytes
        return outcome

    def _write(self, sink: OutputSink, *, scratch: Path | None = None, reported: bool = True) -> OutputReport:
        """Write everything. scratch: the folder in which contents wait; None for the system's own · reported: whether the
        report of a conversion is written too."""
        with scratch_dir(scratch) as private:
            project = self.selected.project.name
            options = OutputOptions(
                scratch=private,
                conversion=self.conversion,
                merged=merged_name(project, self.selected.query, self.conversion) if self.tables.merge else None,
                zone=self.selected.zone,
                report=self._last_item if reported and self.conversion is not None else None,
                room=self.room,
            )
            return write_items(self.plan, sink, options, self.stop, self.progress)

    def _last_item(self, outcomes: list[ItemOutcome]) -> OutputItem:
        """The report, as a file like the others."""
        return as_output_item(self._report(outcomes), NAME)

    def _report(self, outcomes: list[ItemOutcome]) -> dict[str, Any]:
        """As JSON."""
        asked = {**self.selected.options.as_json(), **self.tables.as_json()}
        return report_of(self.selected.selection, asked, outcomes)


def _notice_renamed(renamed: Sequence[bytes]) -> None:
    """Say which names a ZIP archive cannot hold as they are."""
    if renamed:
        some = ", ".join(printable(name) for name in renamed[:NAMES_SHOWN])
        names = counted(len(renamed), "name")
        notices.notice(f"{names} of bytes that are not valid UTF-8 are written as text ({some}, …)")
