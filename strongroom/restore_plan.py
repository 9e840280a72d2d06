"""What a restore would do, as a value: shown first, done afterwards (`strongroom.restore`). Planning writes nothing and leaves
nothing open.

    planned = plan_restore(context, selected, Folder(Path("back")))
    planned.files, planned.estimate.seconds, planned.replacing
    restore(planned)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from restore.execution.ordered_reader import Room, whole_window
from restore.local_fs import Target
from restore.local_fs.syscalls import stands
from restore.outputs.archive_file import refuse_existing
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import LeftAlone, RestorePlan, make_plan
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
    refuse_own,
)
from strongroom.estimate import DiskShortage, Estimate, disk_shortage, estimate_of, plan_json
from strongroom.remote_destinations import RemoteFolder
from strongroom.restore_to_server import back_to_server, losses
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


class RestoreOptions(Struct, frozen=True, kw_only=True):
    """How to restore.

    on_conflict: what becomes of what stands where an item shall go; None: refuse, and in place newer
    tables: what to convert; nothing by default
    incomplete: restore the other items where content of some is missing
    verify: read again what was written, and compare it with what the snapshot says; not of converted tables
    room: bytes of content that may be read ahead, for what is written from front to back; asked again and again
    """

    on_conflict: ConflictPolicy | None = None
    tables: TableOptions = field(default_factory=TableOptions)
    incomplete: bool = False
    verify: bool = False
    room: Room = whole_window

    def policy(self, destination: Destination) -> ConflictPolicy:
        """What becomes of what is in the way."""
        return self.on_conflict or (ConflictPolicy.NEWER if is_in_place(destination) else ConflictPolicy.REFUSE)


def is_in_place(destination: Destination) -> bool:
    """Whether items go back to where they came from."""
    return isinstance(destination, InPlace) or (
        isinstance(destination, Dav | Bucket | RemoteFolder | Mail) and destination.in_place
    )


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


class PlannedRestore(Struct, frozen=True):
    """What a restore would do.

    parts: one; in place one for each source · conversion: of tables, None where everything is restored as it is · shortage:
    None where the disk has room, or nobody can tell · not_put_back: what the destination does not take of the items, in words
    """

    context: Context
    selected: SelectedItems
    destination: Destination
    options: RestoreOptions
    parts: tuple[PlannedPart, ...]
    conversion: Conversion | None
    estimate: Estimate
    shortage: DiskShortage | None
    not_put_back: tuple[str, ...] = ()

    @property
    def plans(self) -> list[RestorePlan]:
        """Of all parts."""
        return [part.plan for part in self.parts]

    @property
    def where(self) -> str:
        """The destination, for people."""
        if isinstance(self.destination, InPlace):
            return " and ".join(str(part.source_root.folder) for part in self.parts if part.source_root)
        return self.destination.text

    @property
    def policy(self) -> ConflictPolicy:
        """What becomes of what is in the way."""
        return self.options.policy(self.destination)

    @property
    def files(self) -> int:
        """Files to be written."""
        return sum(plan.files for plan in self.plans)

    @property
    def bytes_to_write(self) -> int:
        """Content of these files."""
        return sum(plan.bytes_to_write for plan in self.plans)

    @property
    def replacing(self) -> int:
        """How many items that exist would be replaced."""
        return sum(len(part.plan.replacing) + part.also_replaced for part in self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there is to know before it is done, for people."""
        return tuple(note for part in self.parts for note in part.notes)

    @property
    def attributes_only(self) -> int:
        """How many items exist with the right content, and would get their attributes."""
        return sum(plan.attributes_only for plan in self.plans)

    def refuse(self) -> None:
        """Raises `Damaged` where content is missing and `TargetError` where something is in the way, unless the options say
        what to do about it. `restore` does the same before it writes anything."""
        from restore.execution.executor import refuse

        for plan in self.plans_to_execute():
            refuse(plan)

    def plans_to_execute(self) -> list[RestorePlan]:
        """The plans, without what is missing if the options say so."""
        return [without_missing(plan, self.options) for plan in self.plans]

    def left_alone(self) -> Iterator[LeftAlone]:
        """Every item that was selected and will not be written, with the reason; paths begin with their kind."""
        for part in self.parts:
            below = b"" if part.source_root is None else part.source_root.kind.encode() + b"/"
            for one in part.plan.left_alone():
                yield replace(one, path=below + one.path)

    def as_json(self) -> dict[str, Any]:
        """All plans as one, and the estimate."""
        found = plan_json(self.plans, self.estimate) | {"not_put_back": list(self.not_put_back)}
        return found | {"notes": list(self.notes)} if self.notes else found


def plan_restore(
    context: Context, selected: SelectedItems, destination: Destination, options: RestoreOptions | None = None
) -> PlannedRestore:
    """What restoring the selected items to a destination would do.

    selected: of `strongroom.selection.select`, with `sources_apart` for `InPlace` · options: None for the defaults.

    Raises `UsageError` for options that make no sense together, `RefusedByRule` where the destination is Strongroom's own,
    `TargetError` where it cannot be read or a file exists that must stay, `Damaged`, `StorageError`. What is in the way of
    single items, or missing, is in the plans: see `PlannedRestore.refuse`.
    """
    options = options or RestoreOptions()
    refuse_own(context.settings, destination)
    if isinstance(destination, TableFile):
        options = replace(options, tables=options.tables.named(destination.format))
    options.tables.check(periods=bool(selected.query.periods))
    back = back_to_server(context, selected, destination)
    destination, selected = back.destination, back.selected
    refuse_own(context.settings, destination)
    if isinstance(destination, Mail) and options.tables.wanted:
        raise UsageError("a mail server takes messages, not tables: leave out --as, --merge and --rows-in-period")
    if is_in_place(destination) and options.tables.wanted:
        raise UsageError(
            "--in-place excludes --as, --merge and --rows-in-period: what goes back in place is not converted",
            hint="name another place with --to",
        )
    refuse_unverifiable(options)
    conversion = options.tables.conversion(selected.query, context, selected.project.name)
    parts = _Planner(context, selected, destination, options, conversion).parts()
    plans = [part.plan for part in parts]
    return PlannedRestore(
        context=context,
        selected=selected,
        destination=destination,
        options=options,
        parts=tuple(parts),
        conversion=conversion,
        estimate=estimate_of(context, plans, selected.zone),
        shortage=_shortage(destination, parts),
        not_put_back=(*back.left_out, *(loss for part in parts for loss in part.not_kept), *losses(destination, plans)),
    )


class PlannedElsewhere(Struct, frozen=True):
    """What a restore comes to that another machine carries out: what exists there is not known here. plan: as if nothing did ·
    estimate: of that machine's work, as far as it can be told here."""

    plan: RestorePlan
    estimate: Estimate


def plan_elsewhere(context: Context, selected: SelectedItems, options: RestoreOptions | None = None) -> PlannedElsewhere:
    """What restoring the selected items comes to, by what the catalogue says of them: no key to content is needed.

    selected: of `strongroom.picked.select_picked` with `names_only`. Raises `UsageError` for options that make no sense
    together, `Damaged`, `StorageError`."""
    options = options or RestoreOptions()
    options.tables.check(periods=bool(selected.query.periods))
    refuse_unverifiable(options)
    plan = plan_of_all(selected, options)
    return PlannedElsewhere(plan, estimate_of(context, [plan], selected.zone))


class _Planner(Struct, frozen=True):
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


def refuse_unverifiable(options: RestoreOptions) -> None:
    """Raises `UsageError` where what is written cannot be compared with the snapshot."""
    if options.verify and options.tables.wanted:
        raise UsageError(
            "--verify excludes --as, --merge and --rows-in-period: a converted table is not what the snapshot has",
            hint="leave --verify out, or restore the files as they are",
        )


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


def _shortage(destination: Destination, parts: Sequence[PlannedPart]) -> DiskShortage | None:
    needed = sum(part.plan.bytes_to_write for part in parts)
    match destination:
        case InPlace():
            root = parts[0].source_root
            return None if root is None else disk_shortage(root.folder, needed)
        case Folder(path):
            return disk_shortage(path, needed)
        case Archive(path) | TableFile(path):
            return disk_shortage(path.absolute().parent, needed)
        case Bucket() | Dav() | RemoteFolder() | Mail():
            return None


def today(project: Project) -> date:
    """For names of what is kept beside what is restored."""
    return project.services.clock.now().astimezone().date()
