"""The plan before anything is written, and what was done afterwards: in words, and as one JSON document."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cli import output
from restore.local_fs.syscalls import is_folder
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from restore.outputs.output_item import ItemOutcome
    from restore.planning.estimate import EstimateRow
    from restore.planning.plan import RestorePlan
    from restore.selection.select import Selection
    from restore.tables.loss_report import Loss

CONFLICTS_SHOWN = 10
LOSSES_SHOWN = 20


def show(plans: Sequence[RestorePlan], selection: Selection, where: str, estimate: Forecast, moment: Moment) -> None:
    """The plan, on stderr."""
    when = max(one.taken_at for one in selection.records)
    files, to_write, to_read, requests = (
        sum(values) for values in zip(*((p.files, p.bytes_to_write, p.bytes_to_read, p.requests) for p in plans), strict=True)
    )
    output.notice(
        f"plan: {counted(files, 'file')}, {wording.size(to_write)} to write to {where}, as of {moment.of(when)}; "
        f"{wording.size(to_read)} to read in about {counted(requests, 'request')}, "
        f"which may take {wording.duration(estimate.seconds)}"
    )
    if len(estimate.lines) > 1:
        for line in estimate.lines:
            about = line.period or "no period"
            output.notice(f"  {line.kind:<12} {about:<9} {counted(line.files, 'file'):>14} {wording.size(line.bytes):>11}")
    for count, one, many in (
        (sum(plan.already_there for plan in plans), "is there already", "are there already"),
        (
            sum(plan.attributes_only for plan in plans),
            "is there with other attributes, which will be set (attributes only)",
            "are there with other attributes, which will be set (attributes only)",
        ),
        (sum(plan.skipped for plan in plans), "is in the way and stays as it is", "are in the way and stay as they are"),
        (
            sum(plan.newer for plan in plans),
            "is there and newer: it stays as it is",
            "are there and newer: they stay as they are",
        ),
        (
            sum(len(plan.replacing) for plan in plans),
            "is in the way and will be replaced",
            "are in the way and will be replaced",
        ),
        (
            sum(len(plan.renamed) for plan in plans),
            "is in the way and will be kept beside what is restored",
            "are in the way and will be kept beside what is restored",
        ),
        (sum(len(plan.conflicts) for plan in plans), "is in the way", "are in the way"),
        (
            sum(len(plan.missing) for plan in plans),
            "cannot be restored whole: content is missing",
            "cannot be restored whole: content is missing",
        ),
    ):
        if count:
            output.notice(f"plan: {counted(count, 'item')} {one if count == 1 else many}")
    differing = sum(one.problem() is not None for plan in plans for one in plan.left)
    if differing:
        output.notice(
            f"plan: {counted(differing, 'item is', 'items are')} not what the snapshot has, and will not be after this; "
            "--existing replace restores what the snapshot has"
        )
    for conflict in [one for plan in plans for one in plan.conflicts][:CONFLICTS_SHOWN]:
        output.notice(f"  in the way: {printable(conflict.path)} ({conflict.standing})")
    output.problems([problem for plan in plans for problem in plan.missing])


@dataclass(frozen=True, slots=True)
class Moment:
    """Which moment a plan is of. zone: of the project · asked: the moment in words, empty for now."""

    zone: ZoneInfo
    asked: str = ""

    def of(self, taken: datetime) -> str:
        """With when the newest snapshot was taken."""
        newest = wording.moment(taken, self.zone)
        return f"{newest}, the newest snapshot up to {self.asked}" if self.asked else newest


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the plans come to."""

    lines: Sequence[EstimateRow]
    seconds: float


def forecast_of(plans: Sequence[RestorePlan], zone: ZoneInfo, store: str) -> Forecast:
    """Counts and time. store: the repository's address."""
    from restore.planning import estimate

    return Forecast(estimate.by_period(plans, zone), estimate.seconds(plans, estimate.throughput_of(store)))


def plan_document(plans: Sequence[RestorePlan], estimate: Forecast) -> dict[str, Any]:
    """For `--json`: all plans as one."""
    told = summed([plan.as_json() for plan in plans])
    return told | {"by_period": [line.as_json() for line in estimate.lines], "estimated_seconds": round(estimate.seconds, 1)}


def warn_of_space(needed: int, folder: Path) -> None:
    """Say so where the disk has less room than may be needed; what is compressed or shared may still fit."""
    free = free_space(folder)
    if free is not None and needed > free:
        output.notice(f"warning: up to {wording.size(needed)} are needed at {folder}, and {wording.size(free)} are free")


def free_space(folder: Path) -> int | None:
    """Bytes that are free where a folder lies or would be made; None where that cannot be told."""
    for place in (folder, *folder.absolute().parents):
        if is_folder(place):
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def tell(report: RestoreReport, where: str) -> None:
    """What was done."""
    output.result(
        f"restored {counted(report.files, 'file')}, {wording.size(report.bytes)}, to {where} "
        f"in {wording.duration(report.seconds)}"
    )
    for count, one, many in (
        (report.already_there, "was there already", "were there already"),
        (report.attributes_only, "was there and got its attributes back", "were there and got their attributes back"),
        (report.skipped, "was in the way and was skipped", "were in the way and were skipped"),
        (report.newer, "was there and newer, and stayed as it was", "were there and newer, and stayed as they were"),
    ):
        if count:
            output.result(f"{counted(count, one, many)}")


def tell_tables(told: Iterable[ItemOutcome]) -> None:
    """What was converted, what was lost, what is no table: on stderr."""
    everything = list(told)
    converted = [one for one in everything if one.target is not None]
    rows = sum(table["rows"] for one in converted for table in one.tables)
    output.notice(
        f"converted {counted(len(converted), 'file')} with {counted(rows, 'row')}; "
        f"{sum(one.target is None and bool(one.outputs) for one in everything)} given as they are"
    )
    _tell_losses([(one, loss) for one in everything for loss in one.losses])
    for note in [note for one in converted if one.row < 0 for note in one.notes]:
        output.notice(note)
    _tell_guesses(everything)


def _tell_guesses(everything: Sequence[ItemOutcome]) -> None:
    """A line for each kind of guess, with the first file of which it was made."""
    kinds: dict[str, list[tuple[ItemOutcome, int]]] = {}
    for one in everything:
        for text, files in one.guesses.items():
            kinds.setdefault(text, []).append((one, files))
    for text, met in kinds.items():
        count = sum(files for _, files in met)
        example = "" if met[0][0].row < 0 else f", such as {printable(met[0][0].path)}"
        output.notice(f"{counted(count, 'file')}{example}: {text}")


def _tell_losses(losses: Sequence[tuple[ItemOutcome, Loss]]) -> None:
    """A line for each kind, however many columns it is met in; what the profile is there for is told as that."""
    from restore.outputs.report import is_what_people_want

    kinds: dict[str, list[tuple[ItemOutcome, Loss]]] = {}
    for one in losses:
        kinds.setdefault(one[1].what, []).append(one)
    for what, met in sorted(kinds.items(), key=lambda kind: is_what_people_want(kind[0]))[:LOSSES_SHOWN]:
        told, loss = met[0]
        where = ": ".join(part for part in (printable(told.path), loss.table, loss.column) if part)
        cells = counted(sum(loss.cells for _, loss in met), "cell")
        more = f", and {counted(len(met) - 1, 'further column')}: all of them in the report" if len(met) > 1 else ""
        word = "as --profile people asks" if is_what_people_want(what) else "lost"
        output.notice(f"{word}: {what} ({cells}: {where}{more})")
    if len(kinds) > LOSSES_SHOWN:
        output.notice(f"lost: … and {counted(len(kinds) - LOSSES_SHOWN, 'more kind')} (all of them in the report)")


def summed(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several plans or reports as one: numbers added, lists put one after another."""
    found: dict[str, Any] = dict(documents[0])
    for one in documents[1:]:
        for name, value in one.items():
            found[name] = found[name] + value if name in found else value
    return found
