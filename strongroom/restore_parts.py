"""The parts of a restore: what would go to which place, among what stands there. In place each source is a part, else there is
one."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from restore.local_fs import Target
from restore.local_fs.syscalls import stands
from restore.outputs.archive_file import refuse_existing
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from strongroom import remote_destinations
from strongroom.destinations import (
    Archive,
    Bucket,
    Dav,
    Destination,
    Folder,
    InPlace,
    Mail,
    TableFile,
    opened_bucket,
    opened_dav,
    opened_mail,
    opened_source_bucket,
)
from strongroom.remote_destinations import RemoteFolder
from strongroom.restore_options import RestoreOptions
from strongroom.table_options import TableOptions, merged_name
from vault.errors import UsageError
from vault.format import manifest
from vault.problems import printable

if TYPE_CHECKING:
    from restore.execution.in_place import SourceRoot
    from restore.outputs.conversion import Conversion
    from restore.planning.destination import Destination as ExistingItems
    from restore.selection.select import Selection
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.repository.project import Project

FILES_NAMED = 5

_REPLACING = (ConflictPolicy.REPLACE, ConflictPolicy.NEWER)


class PlannedPart(Struct, frozen=True):
    """What goes to one place. source_root: in place, the source and its folder; None for every other destination ·
    also_replaced: how many files that exist are replaced besides those of the plan: an archive, or what converted tables may
    take the place of, as far as that is known before they are written · seen: on a server, what stood there · not_kept: what
    the server cannot keep, in words · notes: what else there is to know, for people."""

    plan: RestorePlan
    source_root: SourceRoot | None = None
    also_replaced: int = 0
    seen: ExistingItems | None = None
    not_kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class RestorePlanner(Struct, frozen=True):
    """Plans for one destination."""

    context: Context
    selected: SelectedItems
    destination: Destination
    options: RestoreOptions
    conversion: Conversion | None

    def parts(self) -> list[PlannedPart]:
        """What goes where."""
        match self.destination:
            case InPlace():
                return self._in_place()
            case Folder(path):
                with Target(os.fsencode(path.absolute())) as target:
                    if self.conversion is None:
                        return [PlannedPart(self._against(target))]
                    return [self._converted(self.conversion, target)]
            case Bucket() | Dav() | RemoteFolder():
                return [self._on_server(self.destination)]
            case Mail():
                return [self._to_mail(self.destination)]
            case Archive() | TableFile():
                return [self._one_file(self.destination)]

    @property
    def _policy(self) -> ConflictPolicy:
        return self.options.policy(self.destination)

    def _against(self, existing: ExistingItems) -> RestorePlan:
        """The plan, with what exists at the destination."""
        return make_plan(self.selected.selection, existing, self._policy, today(self.selected.project))

    def _on_server(self, destination: Bucket | Dav | RemoteFolder) -> PlannedPart:
        """Objects of a bucket, files on a server."""
        project = self.selected.project
        if isinstance(destination, RemoteFolder):
            from restore.outputs.remote_sink import RemotePlace, losses_of

            with remote_destinations.opened(destination, project.services.clock) as files:
                part = self._among(RemotePlace(files, project.services.clock))
                return replace(part, not_kept=losses_of(files))
        if isinstance(destination, Dav):
            from restore.outputs.dav_sink import DavPlace

            with opened_dav(destination, project) as client:
                return self._among(DavPlace(client))
        if destination.in_place:
            from restore.outputs.bucket_in_place import BucketInPlace

            with opened_source_bucket(self.context, project, destination) as reader:
                return self._among(BucketInPlace(reader))
        from restore.outputs.object_sink import BucketPlace

        with opened_bucket(self.context, project, destination) as objects:
            return self._among(BucketPlace(objects))

    def _among(self, existing: ExistingItems) -> PlannedPart:
        """Among what stands on a server."""
        if self.conversion is not None:
            return self._converted(self.conversion, existing)
        return PlannedPart(without_missing(self._against(existing), self.options), seen=existing)

    def _to_mail(self, mail: Mail) -> PlannedPart:
        """Messages, and what is to be known of them."""
        from restore.outputs.mail_place import MailPlace, plan_notes

        items = self.selected.selection.table.select(["path", "size"])
        with (
            opened_mail(mail, self.selected.project) as client,
            closing(MailPlace(client, mail.base, items, estimated=mail.estimated)) as place,
        ):
            plan = without_missing(self._against(place), self.options)
            return PlannedPart(plan, notes=plan_notes(place, plan.items))

    def _in_place(self) -> list[PlannedPart]:
        """Raises `UsageError` where the folder of a source is not known, `TargetError` where it is not there."""
        from restore.execution.in_place import source_roots

        project = self.selected.project
        sources = self.context.settings.project(project.name).sources
        folders = {source.name: source.path.absolute() for source in sources if source.path is not None}
        parts = []
        for root in source_roots(self.selected.selection, folders):
            with Target(os.fsencode(root.folder)) as target:
                parts.append(PlannedPart(make_plan(root.selection, target, self._policy, today(project)), root))
        return parts

    def _one_file(self, destination: Archive | TableFile) -> PlannedPart:
        """An archive, or a table."""
        path = destination.path.absolute()
        if isinstance(destination, Archive):
            refuse_existing(path, self._policy)
        part = PlannedPart(plan_of_all(self.selected, self.options), also_replaced=int(stands(path)))
        if isinstance(destination, TableFile):
            refuse_several(self.selected.selection, part.plan, self.options.tables)
            refuse_existing(path, self._policy)
        return part

    def _converted(self, conversion: Conversion, existing: ExistingItems) -> PlannedPart:
        """Tables among files that exist. Raises `TargetError` where the names that they will have are taken and must stay."""
        from restore.outputs.conflict_guard import in_the_way, refuse_foreseen

        plan, merge = plan_of_all(self.selected, self.options), self.options.tables.merge
        if self._policy is ConflictPolicy.REFUSE and not merge:
            refuse_foreseen(plan.items, conversion, existing)
        if self._policy not in _REPLACING:
            return PlannedPart(plan)
        if merge:
            name = merged_name(self.selected.project.name, self.selected.query, conversion)
            return PlannedPart(plan, also_replaced=len(existing.existing([name])))
        return PlannedPart(plan, also_replaced=len(in_the_way(plan.items, conversion, existing)))


def plan_of_all(selected: SelectedItems, options: RestoreOptions) -> RestorePlan:
    """The plan for a destination where nothing exists yet, without what is missing if the options say so."""
    plan = make_plan(selected.selection, EmptyDestination(), ConflictPolicy.REFUSE, today(selected.project))
    return without_missing(plan, options)


def without_missing(plan: RestorePlan, options: RestoreOptions) -> RestorePlan:
    """The plan, with content that is missing given up if the options say so."""
    return plan.without_missing() if options.incomplete and plan.missing else plan


def refuse_several(selection: Selection, plan: RestorePlan, tables: TableOptions) -> None:
    """Raises `UsageError` where a selection must come to one file and does not."""
    import pyarrow.compute as pc

    if tables.merge or plan.files == 1:
        return
    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if not files.num_rows:
        raise UsageError("no file matches, and one is to be written", hint="name one file, or restore to a folder")
    some = ", ".join(printable(path) for path in files["path"].slice(0, FILES_NAMED).to_pylist())
    raise UsageError(
        f"{files.num_rows} files match, and one can be written there ({some}, …)",
        hint="narrow the pattern down to one file, make one table of them with --merge, or restore to a folder",
    )


def today(project: Project) -> date:
    """For names of what is kept beside what is restored."""
    return project.services.clock.now().astimezone().date()
