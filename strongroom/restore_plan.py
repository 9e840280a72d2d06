"""What a restore would do, as a value: shown first, done afterwards (`strongroom.restore`). Planning writes nothing and leaves
nothing open.

    planned = plan_restore(context, selected, Folder(Path("back")))
    planned.files, planned.estimate.seconds, planned.replacing
    restore(planned)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import LeftAlone, RestorePlan
from strongroom.destinations import (
    Archive,
    Bucket,
    Dav,
    Destination,
    Folder,
    InPlace,
    Mail,
    TableFile,
    refuse_own,
)
from strongroom.estimate import DiskShortage, Estimate, disk_shortage, estimate_of, plan_json
from strongroom.remote_destinations import RemoteFolder
from strongroom.restore_options import RestoreOptions, is_in_place, refuse_unverifiable
from strongroom.restore_parts import PlannedPart, RestorePlanner, plan_of_all, without_missing
from strongroom.restore_to_server import back_to_server, losses
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.outputs.conversion import Conversion
    from strongroom.context import Context
    from strongroom.selection import SelectedItems

__all__ = ["PlannedElsewhere", "PlannedPart", "PlannedRestore", "RestoreOptions", "plan_elsewhere", "plan_restore"]


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
    parts = RestorePlanner(context, selected, destination, options, conversion).parts()
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
