"""Exports for auditors: a BagIt bag (RFC 8493) of items, with checksums and a report of who asked for what and what came of it.

planned = plan_export(context, selected, Path("bag.zip"), reason="ticket 4711")
result = export(planned)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.export import folder
from restore.export.bag import done
from restore.export.request import ExportRequest, Requester
from restore.export.selection_text import in_words
from restore.export.signature import NAMESPACE, BagSigner
from restore.export.write import ExportOptions, to_folder, to_zip
from restore.local_fs.syscalls import is_folder, stands
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from strongroom import __version__, command_log, environment, notices, own_paths
from strongroom.estimate import DiskShortage, Estimate, disk_shortage, estimate_of, plan_json
from strongroom.restore_parts import today
from strongroom.table_options import TableOptions, merged_name
from vault.age import HybridIdentity
from vault.errors import TargetError
from vault.format.principal import Principal, sign
from vault.progress import Stop, never
from vault.storage.fallback import problems_of

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from restore.outputs.output_item import ItemOutcome
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.problems import Problem
    from vault.progress import Progress


class PlannedExport(Struct, frozen=True):
    """What an export would do.

    path: of the bag, absolute · zipped: whether that is a ZIP file with the bag in it · work: for `restore.export` · shortage:
    None where the disk has room, or nobody can tell
    """

    context: Context
    selected: SelectedItems
    path: Path
    zipped: bool
    work: ExportOptions
    estimate: Estimate
    shortage: DiskShortage | None

    @property
    def plans(self) -> list[RestorePlan]:
        """The one plan."""
        return [self.work.plan]

    @property
    def where(self) -> str:
        """The bag, for people."""
        return str(self.path)

    @property
    def request(self) -> ExportRequest:
        """Who asked for what."""
        return self.work.request

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing besides."""
        return ()

    def as_json(self) -> dict[str, Any]:
        """The plan and the estimate."""
        return plan_json(self.plans, self.estimate)


class ExportResult(Struct, frozen=True):
    """What an export did. report: files and bytes of the bag, and its problems · outcomes: where tables were converted, what
    became of each file; None where everything is as it was."""

    planned: PlannedExport
    report: RestoreReport
    outcomes: tuple[ItemOutcome, ...] | None = None

    @property
    def path(self) -> Path:
        """Of the bag."""
        return self.planned.path

    @property
    def files(self) -> int:
        """Files of the bag, without its own texts."""
        return self.report.files

    @property
    def bytes(self) -> int:
        """Of these files."""
        return self.report.bytes

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.report.seconds

    @property
    def problems(self) -> list[Problem]:
        """What is missing, damaged or not as it was asked for. Empty after a whole success."""
        return self.report.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        asker = self.planned.request.asker
        return {
            "plan": self.planned.work.plan.as_json(),
            **self.report.as_json(),
            "bag": str(self.path),
            "who": asker.by,
            "at": asker.at.isoformat(),
            "reason": asker.reason,
            "by": asker.as_json(),
            "missing_snapshots": [*self.planned.selected.missing_snapshots],
        }


def plan_export(
    context: Context,
    selected: SelectedItems,
    path: Path,
    *,
    tables: TableOptions | None = None,
    reason: str = "",
    own: bool = False,
) -> PlannedExport:
    """What exporting the selected items would do; nothing is written.

    path: a folder that is empty, not there yet, or left by an interrupted export of the same request; or a new FILE.zip ·
    tables: what to convert, nothing by default · reason: why, a ticket's number; for the report ·
    own: the path is one of Strongroom's own places, such as the console's folder.

    Raises `UsageError` for options that make no sense together, `RefusedByRule` where the path is Strongroom's own,
    `TargetError` where something else exists there, `Damaged`, `StorageError`.
    """
    tables = tables or TableOptions()
    tables.check(periods=bool(selected.query.periods))
    path = path.absolute()
    project = selected.project
    plan = make_plan(selected.selection, EmptyDestination(), ConflictPolicy.REFUSE, today(project))
    conversion = tables.conversion(selected.query, context, project.name)
    merged = merged_name(project.name, selected.query, conversion) if tables.merge else None
    signer = bag_signer(context)
    work = ExportOptions(_request(selected, tables, reason), selected.selection, plan, conversion, merged, signer)
    zipped = path.suffix.lower() == ".zip" and not is_folder(path)
    if not own:
        own_paths.refuse_target(context.settings, path, folder=not zipped)
    if zipped and stands(path):
        raise TargetError(f"{path} is there already", hint="nothing was written; name another file, or remove that one first")
    if not zipped and folder.look(path, work.fingerprint) is folder.State.UNFINISHED:
        notices.notice(f"{path} holds an interrupted export of the same request: it is begun anew")
    shortage = disk_shortage(path.parent if zipped else path, plan.bytes_to_write)
    return PlannedExport(context, selected, path, zipped, work, estimate_of(context, [plan], selected.zone), shortage)


def export(planned: PlannedExport, *, stop: Stop = never, progress: Progress | None = None) -> ExportResult:
    """Write the bag. What is missing or damaged is left out, and is a problem of the result.

    stop: called often; what it raises ends the export, and the same export to the same folder begins anew later · progress:
    hears how far it is. Raises `TargetError`, `Busy`, `StorageError`.
    """
    asker = planned.request.asker
    what = {
        "selection": planned.selected.options.as_json(),
        "to": planned.where,
        "tables": planned.request.tables,
        "reason": asker.reason,
        "snapshots": [one.id for one in planned.selected.selection.records],
    }
    write = to_zip if planned.zipped else to_folder
    with command_log.recorded(planned.context, "export", [planned.selected.project], what) as entry:
        entry.begin()
        exported = write(planned.work, planned.path, stop, progress)
        report, project = done(exported), planned.selected.project
        report.problems += problems_of(project.store, project.id)
        entry.count(files=report.files, bytes=report.bytes)
        entry.problems(len(report.problems))
    outcomes = None if planned.work.conversion is None else tuple(exported.output.outcomes)
    return ExportResult(planned, report, outcomes)


def bag_signer(context: Context) -> BagSigner | None:
    """Who signs what this machine exports: the principal whose identity is at hand, with a time stamp where the settings name
    an authority. None where no identity can sign."""
    from strongroom import time_stamps

    identity = next((one for one in context.identities if isinstance(one, HybridIdentity)), None)
    if identity is None:
        return None
    public, authority = Principal.of(identity), context.settings.document.audit.timestamp
    return BagSigner(
        name=environment.person(),
        key=public.signing_key or b"",
        fingerprint=public.fingerprint,
        sign=lambda data: sign(identity, data, NAMESPACE),
        stamp=None if authority is None else lambda data: time_stamps.stamp(authority, data),
        authority=authority or "",
    )


def _request(selected: SelectedItems, tables: TableOptions, reason: str) -> ExportRequest:
    project = selected.project
    return ExportRequest(
        asker=Requester(command_log.person(), project.services.clock.now(), reason),
        words=in_words(project.name, selected.query),
        selection=selected.options.as_json(),
        tables=tables.as_json(),
        zone=selected.zone,
        moment=selected.query.at,
        software=f"strongroom/{__version__}",
    )
