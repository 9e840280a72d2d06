"""How a project stands: what the repository says of its sources, what this machine knows of runs, checks and drills, and which
promises are broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli import consequences, local, output
from cli.workplace import Workplace
from vault.wording import counted

if TYPE_CHECKING:
    from policies.daemon.plan import PlannedJob, ProjectPlan
    from policies.promises.findings import Findings
    from policies.promises.judge import Alarm
    from policies.schedule.books import Reader
    from vault.format.record import Claim, Record
    from vault.repository.project import Project


@dataclass(frozen=True, slots=True)
class Standing:
    """sources: a row each, and one for whatever else is wrong · project: the row of what is about all of it."""

    sources: list[dict[str, Any]]
    project: dict[str, Any]
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Looking:
    """What it takes to look. books, findings: this machine's."""

    place: Workplace
    books: Reader
    findings: Findings
    now: datetime

    def at(self, project: Project) -> Standing:
        """Raises `StorageError`."""
        from cli import plan_of_daemon
        from policies.daemon.known import Repository, state_of
        from policies.promises.judge import judge
        from vault.repository import snapshots

        gone = self.place.gone(project)
        committed = snapshots.committed(project, rolled=True)
        output.problems(committed.damaged)
        plan = plan_of_daemon.project(project.name, self.place.settings.project(project.name))
        heads = {name: snapshots.heads(committed.records, name)[-1] for name in {one.source for one in committed.records}}
        ids = {one.id for one in committed.records}
        claims = [claim for claim in snapshots.claims(project) if claim.id not in ids]
        rows = [
            self._row(plan, name, heads.get(name), [claim for claim in claims if claim.source == name])
            for name in sorted({*plan.sources, *heads})
        ]
        if committed.damaged:
            rows.append({"project": project.name, "source": "-", "state": "records are damaged"})
        if gone:
            rows.append({"project": project.name, "source": "-", "state": "snapshots are gone", "gone": gone})
        frozen = consequences.note_freeze(self.findings, project)
        repository = Repository({name: head.taken_at for name, head in heads.items()}, frozen)
        state = state_of(plan, self.books, self.findings, self.now, repository)
        return Standing(rows, self._of_project(plan, frozen), judge(state, self.now))

    def _row(self, plan: ProjectPlan, source: str, last: Record | None, running: Sequence[Claim]) -> dict[str, Any]:
        row: dict[str, Any] = {"project": plan.name, "source": source, "state": "never backed up"}
        if last is not None:
            age = self.now - last.taken_at
            late = plan.rpo is not None and source in plan.sources and age > plan.rpo
            row |= {
                "state": "late" if late else "problems" if last.counts.problems else "ok",
                "last": output.moment(last.taken_at),
                "taken_at": last.taken_at.isoformat(),
                "age": output.duration(age.total_seconds()),
                "age_seconds": round(age.total_seconds(), 3),
                "items": last.counts.items,
                "snapshot": last.id,
            }
        if plan.rpo is not None and source in plan.sources:
            row |= {"rpo": output.duration(plan.rpo.total_seconds()), "rpo_seconds": plan.rpo.total_seconds()}
        job = next((one for one in plan.jobs if one.kind == "backup" and one.source == source), None)
        if job is not None:
            upcoming = self._next_run(plan, job)
            row |= {"next": output.moment(upcoming), "next_run": upcoming.isoformat()}
        if running:
            newest = max(running, key=lambda claim: claim.updated_at)
            seen = output.duration((self.now - newest.updated_at).total_seconds())
            row["running"] = (
                f"{counted(newest.items, 'item')}, {output.size(newest.bytes)}, on {newest.host}, last seen {seen} ago"
            )
        return row

    def _of_project(self, plan: ProjectPlan, frozen: tuple[str, ...]) -> dict[str, Any]:
        row: dict[str, Any] = {"project": plan.name, "frozen": list(frozen), "retention": "FROZEN" if frozen else "free"}
        for made in self.findings.drills(plan.name):
            row["last_drill"] = {"at": made.at.isoformat(), **made.value}
            row["drilled"] = output.moment(made.at)
            failed = bool(made.value.get("trouble"))
            row["recovery"] = "FAILED" if failed else f"about {output.duration(made.value['whole_seconds'])}"
        coverage = self.findings.coverage(plan.name, self.now - plan.check_within)
        if coverage.packs:
            row["checks"] = {
                "packs": coverage.packs,
                "read": coverage.read,
                "damaged": coverage.damaged,
                "within_seconds": plan.check_within.total_seconds(),
                "oldest": coverage.oldest and coverage.oldest.isoformat(),
            }
            row["checked"] = f"{100 * coverage.read // coverage.packs} % within {plan.check_within.days} days"
        upcoming = {one.kind: self._next_run(plan, one) for one in plan.jobs if one.kind != "backup"}
        row["next_runs"] = {kind: when.isoformat() for kind, when in upcoming.items()}
        return row

    def _next_run(self, plan: ProjectPlan, job: PlannedJob) -> datetime:
        from policies.schedule.due import next_run

        title = f"{plan.name}/{job.name}"
        return next_run(title, job.schedule, job.policy, self.books.recent(plan.name, job.name), self.now)


def books(place: Workplace) -> Reader:
    """This machine's, empty where there are none. Raises `Damaged`, `StrongroomError`."""
    from policies.schedule.books import Reader

    return Reader.open(local.folder(place.settings) / local.BOOKS, place.repository.services.host)
