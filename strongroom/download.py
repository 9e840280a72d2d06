"""Restores that go to somebody over a stream: planned first, then written from front to back with bounded memory.

    planned = plan_download(context, selected)
    planned.form, planned.files, planned.estimate.seconds
    download(planned, out)

One file goes as it is or converted, several go as a ZIP archive, and all tables as one where they are merged. The stream need
not seek. Whoever reads it slowly slows the work down, and nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Literal

from msgspec import Struct

from restore.execution.executor import refuse
from restore.outputs.zip_sink import NOT_COMPRESSED
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.formats import FORMATS
from strongroom.command_log import recorded
from strongroom.estimate import Estimate, estimate_of
from strongroom.restore import stream
from strongroom.restore_options import RestoreOptions
from strongroom.restore_parts import plan_of_all
from strongroom.restore_result import RestoredPart, RestoreResult
from strongroom.table_options import merged_name
from vault.format import manifest
from vault.progress import NoProgress, Progress, Stop, never
from vault.storage.fallback import problems_of

if TYPE_CHECKING:
    from restore.outputs.conversion import Conversion
    from restore.planning.plan import RestorePlan
    from strongroom.context import Context
    from strongroom.selection import SelectedItems

Form = Literal["file", "table", "zip"]


class PlannedDownload(Struct, frozen=True):
    """What would be given. form: one file as it is, one table that all become, or an archive · name: for the file that it
    becomes, as bytes of a name without folders · size: of a file that is given as it is; None where nobody knows before."""

    context: Context
    selected: SelectedItems
    options: RestoreOptions
    compressed: bool
    plan: RestorePlan
    conversion: Conversion | None
    estimate: Estimate
    form: Form
    name: bytes
    size: int | None

    @property
    def files(self) -> int:
        """Files of the snapshot that are read."""
        return self.plan.files

    @property
    def bytes_to_read(self) -> int:
        """Their content."""
        return self.plan.bytes_to_write

    def refuse(self) -> None:
        """Raises `Damaged` where content is missing, unless the options say so. `download` does the same."""
        refuse(self.plan)


def plan_download(
    context: Context, selected: SelectedItems, options: RestoreOptions | None = None, *, compressed: bool = False
) -> PlannedDownload:
    """What giving the selected items over a stream would do.

    options: of tables, and whether to go on without what is missing · compressed: an archive, which takes
    longer.

    Raises `UsageError`, `Damaged`, `StorageError`.
    """
    options = options or RestoreOptions()
    options.tables.check(periods=bool(selected.query.periods))
    conversion = options.tables.conversion(selected.query, context, selected.project.name)
    plan = plan_of_all(selected, options)
    form, name, size = _shape(selected, options, plan, conversion)
    estimate = estimate_of(context, [plan], selected.zone)
    return PlannedDownload(context, selected, options, compressed, plan, conversion, estimate, form, name, size)


def download(
    planned: PlannedDownload,
    out: BinaryIO,
    *,
    stop: Stop = never,
    progress: Progress | None = None,
) -> RestoreResult:
    """Give it. out: takes bytes, and stays open; where this raises, what it has got is not whole.

    Problems of single items are in the result, and in a file of the archive. Raises `Damaged` for content that is missing or
    damaged where it is all that was asked for, `StorageError`, and what writing to the stream raises.
    """
    options = planned.options
    if planned.form != "zip":
        return stream(planned.context, planned.selected, out, options, stop=stop, progress=progress)
    asked = {
        "selection": planned.selected.options.as_json(),
        "to": "a stream (zip)",
        "tables": options.tables.as_json() if options.tables.wanted else None,
        "incomplete": options.incomplete,
        "snapshots": [one.id for one in planned.selected.selection.records],
    }
    with recorded(planned.context, "restore", [planned.selected.project], asked) as entry:
        entry.begin()
        result = _zipped(planned, out, stop, progress or NoProgress())
        entry.count(files=result.files, bytes=result.bytes)
        entry.problems(len(result.problems))
    return result


def _zipped(planned: PlannedDownload, out: BinaryIO, stop: Stop, progress: Progress) -> RestoreResult:
    from strongroom.restore_outputs import OutputRun

    selected = planned.selected
    policy = ConflictPolicy.REFUSE  # nothing exists in a stream
    tables, room = planned.options.tables, planned.options.room
    run = OutputRun(planned.context, selected, tables, planned.conversion, planned.plan, policy, stop, progress, room=room)
    outcome = run.to_zip_stream(out, None if planned.compressed else NOT_COMPRESSED)
    report = outcome.report
    report.problems = list(dict.fromkeys([*report.problems, *problems_of(selected.project.store, selected.project.id)]))
    outcomes = None if planned.conversion is None else tuple(outcome.outcomes)
    return RestoreResult((RestoredPart("stream", report, planned.plan),), outcomes, selected.missing_snapshots)


def _shape(
    selected: SelectedItems, options: RestoreOptions, plan: RestorePlan, conversion: Conversion | None
) -> tuple[Form, bytes, int | None]:
    """Form, name and size of what is given."""
    import pyarrow.compute as pc

    project = selected.project.name
    if options.tables.merge:
        return "table", merged_name(project, selected.query, conversion), None
    table = selected.selection.table
    files = table.filter(pc.equal(table["type"], manifest.FILE))
    if plan.files == 1 and len(files) == 1 and not plan.given_up:
        path: bytes = files["path"][0].as_py()
        name = path.rpartition(b"/")[2]
        if conversion is None:
            return "file", name, files["size"][0].as_py()
        ending = _ending(conversion, files["format"][0].as_py())
        if ending is not None:
            return "table", name.rpartition(b".")[0] + ending, None
    return "zip", f"{project}.zip".replace("/", "_").encode("utf-8", "backslashreplace"), None


def _ending(conversion: Conversion, format_name: str | None) -> bytes | None:
    """Of the one file that a file of this format surely becomes; None where it may become several, or stays as it is."""
    source, target = conversion.source_of(format_name), conversion.target
    if source is None or target is None or not (FORMATS[target].several or not FORMATS[source].several):
        return None
    return f".{FORMATS[target].endings[0]}".encode()
