"""What a restore or an export would do, and what it did, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cli import output
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from restore.execution.verification import Verification
    from restore.outputs.output_item import ItemOutcome
    from restore.planning.plan import RestorePlan
    from restore.tables.loss_report import Loss
    from strongroom.estimate import DiskShortage, Estimate
    from strongroom.selection import SelectedItems

CONFLICTS_SHOWN = 10
LOSSES_SHOWN = 20


class Planned(Protocol):
    """A restore or an export that is planned: what a person is shown before it begins."""

    @property
    def selected(self) -> SelectedItems: ...
    @property
    def plans(self) -> list[RestorePlan]: ...
    @property
    def where(self) -> str: ...
    @property
    def estimate(self) -> Estimate: ...
    @property
    def shortage(self) -> DiskShortage | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def as_json(self) -> dict[str, Any]: ...


def show_plan(planned: Planned, *, always_periods: bool = False) -> None:
    """The plan, on stderr. always_periods: say which period it is of, where it is of one alone, too."""
    plans, estimate = planned.plans, planned.estimate
    files, to_write, to_read, requests = (
        sum(values) for values in zip(*((p.files, p.bytes_to_write, p.bytes_to_read, p.requests) for p in plans), strict=True)
    )
    output.notice(
        f"plan: {counted(files, 'file')}, {wording.size(to_write)} to write to {planned.where}, as of "
        f"{_moment(planned.selected)}; {wording.size(to_read)} to read in about {counted(requests, 'request')}, "
        f"which may take {wording.duration(estimate.seconds)}"
    )
    if len(estimate.rows) > 1 or (always_periods and estimate.rows):
        for row in estimate.rows:
            about = row.period or "no period"
            output.notice(f"  {row.kind:<12} {about:<9} {counted(row.files, 'file'):>14} {wording.size(row.bytes):>11}")
    _show_existing(plans)
    for note in planned.notes:
        output.notice(f"plan: {note}")
    for conflict in [one for plan in plans for one in plan.conflicts][:CONFLICTS_SHOWN]:
        output.notice(f"  in the way: {printable(conflict.path)} ({conflict.standing})")
    output.problems([problem for plan in plans for problem in plan.missing])


def _show_existing(plans: Sequence[RestorePlan]) -> None:
    """How many items exist already, and what becomes of them."""
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
    left = [one for plan in plans for one in plan.left if one.asked]
    for kept in left[:CONFLICTS_SHOWN]:
        output.notice(f"  left as it is: {printable(kept.path)}: {kept.message}")
    if len(left) > CONFLICTS_SHOWN:
        output.notice(f"  … and {counted(len(left) - CONFLICTS_SHOWN, 'more item')} (all of them with --json or --report)")
    differing = sum(one.problem() is not None for plan in plans for one in plan.left)
    if differing:
        output.notice(
            f"plan: {counted(differing, 'item is', 'items are')} not what the snapshot has, and will not be after this; "
            "--existing replace restores what the snapshot has"
        )


def _moment(selected: SelectedItems) -> str:
    """Which moment a plan is of: when the newest snapshot was taken, and what was asked for."""
    taken = max(one.taken_at for one in selected.selection.records)
    newest, asked = wording.moment(taken, selected.zone), selected.query.at_words
    return f"{newest}, the newest snapshot up to {asked}" if asked else newest


def warn_of_shortage(shortage: DiskShortage | None) -> None:
    """Say so where the disk may have too little room."""
    if shortage is not None:
        output.notice(
            f"warning: up to {wording.size(shortage.needed)} are needed at {shortage.folder}, "
            f"and {wording.size(shortage.free)} are free"
        )


def show_report(report: RestoreReport, where: str) -> None:
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


def show_verification(found: Verification) -> None:
    """What was read again, and how it compares with the snapshot."""
    medium = {
        "disk": "from the disk",
        "archive": "out of the archive",
        "bucket": "from the bucket",
        "webdav": "from the server",
        "server": "from the server",
        "mail": "from the server",
    }[found.medium]
    wrong = counted(found.differing, "item is", "items are")
    verdict = f"{wrong} NOT as the snapshot has it" if found.differing else "as the snapshot has them"
    output.result(f"read again {medium}: {counted(found.files, 'file')}, {wording.size(found.bytes_read)}: {verdict}")


def show_tables(outcomes: Sequence[ItemOutcome]) -> None:
    """What was converted, what was lost, what is no table: on stderr."""
    converted = [one for one in outcomes if one.target is not None]
    rows = sum(table.rows or 0 for one in converted for table in one.tables)
    output.notice(
        f"converted {counted(len(converted), 'file')} with {counted(rows, 'row')}; "
        f"{sum(one.target is None and bool(one.outputs) for one in outcomes)} given as they are"
    )
    _show_losses([(one, loss) for one in outcomes for loss in one.losses])
    for note in [note for one in converted if one.row < 0 for note in one.notes]:
        output.notice(note)
    _show_guesses(outcomes)


def _show_guesses(outcomes: Sequence[ItemOutcome]) -> None:
    """A line for each kind of guess, with the first file of which it was made."""
    kinds: dict[str, list[tuple[ItemOutcome, int]]] = {}
    for one in outcomes:
        for text, files in one.guesses.items():
            kinds.setdefault(text, []).append((one, files))
    for text, found in kinds.items():
        count = sum(files for _, files in found)
        example = "" if found[0][0].row < 0 else f", such as {printable(found[0][0].path)}"
        output.notice(f"{counted(count, 'file')}{example}: {text}")


def _show_losses(losses: Sequence[tuple[ItemOutcome, Loss]]) -> None:
    """A line for each kind, however many columns have it; what the profile asks for is named as that."""
    from restore.outputs.report import is_what_people_want

    kinds: dict[str, list[tuple[ItemOutcome, Loss]]] = {}
    for one in losses:
        kinds.setdefault(one[1].what, []).append(one)
    for what, found in sorted(kinds.items(), key=lambda kind: is_what_people_want(kind[0]))[:LOSSES_SHOWN]:
        outcome, loss = found[0]
        where = ": ".join(part for part in (printable(outcome.path), loss.table, loss.column) if part)
        cells = counted(sum(loss.cells for _, loss in found), "cell")
        more = f", and {counted(len(found) - 1, 'further column')}: all of them in the report" if len(found) > 1 else ""
        word = "as --profile people asks" if is_what_people_want(what) else "lost"
        output.notice(f"{word}: {what} ({cells}: {where}{more})")
    if len(kinds) > LOSSES_SHOWN:
        output.notice(f"lost: … and {counted(len(kinds) - LOSSES_SHOWN, 'more kind')} (all of them in the report)")
