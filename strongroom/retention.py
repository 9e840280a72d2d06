"""Retention: which snapshots of a project the rules of the settings let go, as a plan, and doing what a plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, held_snapshots, local_state, object_lock
from strongroom.settings import resolve
from vault import wording
from vault.errors import RefusedByRule, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pyarrow as pa

    from policies.retention.plan import RetentionInputs, RetentionPlan, StorageUse
    from policies.retention.rules import Keep
    from strongroom.context import Context
    from strongroom.settings import Settings
    from vault.backup.new_manifest import ItemRetirement
    from vault.problems import Problem
    from vault.repository.project import Project

SHORTEST_DIGEST = 8
"""Characters of a plan's digest that name it."""


class ProjectRetention(Struct, frozen=True):
    """What retention would do to a project. problems: records and holds that could not be read; such a hold is taken to be on
    everything."""

    project: str
    plan: RetentionPlan
    problems: tuple[Problem, ...]

    @property
    def digest(self) -> str:
        """Of all that the plan follows from: 64 hex digits."""
        return self.plan.world.digest()

    def refuse_unless(self, digest: str) -> None:
        """Raises `RefusedByRule` where this is not the plan with the digest that was shown. digest: its beginning, of at least
        `SHORTEST_DIGEST` characters."""
        if len(digest) < SHORTEST_DIGEST or not self.digest.startswith(digest):
            raise RefusedByRule(
                f"plan {digest} of project {self.project!r} is not the current one: snapshots, holds or rules differ; "
                "nothing was done",
                hint=f"look at `strongroom retention plan {self.project}` again: it is {self.digest[:16]} now",
            )

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "digest": self.digest} | self.plan.as_json()


class AppliedRetention(Struct, frozen=True):
    """What retention did. forgotten: ids of the snapshots that this run forgot · by_others: how many of the plan another run
    had forgotten meanwhile."""

    project: str
    plan: RetentionPlan
    forgotten: tuple[str, ...]
    by_others: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "digest": self.plan.world.digest(),
            "forgotten": list(self.forgotten),
        } | self.plan.as_json()


def plan_retention(
    context: Context, project: Project, *, on: datetime | None = None, keep: Keep | None = None
) -> ProjectRetention:
    """What would go, what stays, why, and what that frees. Nothing is changed. on: a later moment, aware: what would still
    exist then if no further backup came · keep: other rules than those of the settings, to look at what they would do.

    Raises `UsageError` for a moment that has passed, `SettingsError`, `StorageError`, `Damaged`.
    """
    from policies.retention.plan import make_plan

    now = project.services.clock.now()
    if on is not None and on <= now:
        raise UsageError(f"{wording.moment(on)} is not a later day", hint="the plan for now is the one without a day")
    inputs, problems = retention_inputs(context.settings, project)
    if keep is not None:
        inputs = replace(inputs, keep=keep)
    return ProjectRetention(project.name, make_plan(inputs, now, on=on, storage=storage(project)), problems)


def apply_retention(context: Context, project: Project, planned: ProjectRetention) -> AppliedRetention:
    """Forget what a plan says. What only these snapshots needed stays in the store until a prune.

    Raises `RefusedByRule` where something has changed since the plan was made, a hold is on one of them or a hold is gone: then
    nothing is forgotten. Raises `StorageError`, `Damaged`.
    """
    project.capability.refuse_auditor()
    what = {"plan": planned.digest, "goes": list(planned.plan.goes)}
    with command_log.recorded(context, "retention", [project], what) as entry:
        if planned.plan.goes:
            context.refuse_lost_holds(project)
        entry.begin(destructive=bool(planned.plan.goes))
        gone = _forget(context, project, planned.plan)
        entry.count(snapshots=len(gone))
    local_state.note_run(context.settings, project.name, "retention")
    return AppliedRetention(project.name, planned.plan, tuple(gone), len(planned.plan.goes) - len(gone))


def _forget(context: Context, project: Project, plan: RetentionPlan) -> list[str]:
    """Gives the ids of the snapshots that this run forgot."""
    from vault.repository import forget_notes
    from vault.repository.gc.forget import forget

    if not plan.goes:
        return []
    object_lock.begun(context, project)
    inputs, _ = retention_inputs(context.settings, project)
    if not forget_notes.read_all(project).by_id.keys() >= set(plan.goes):
        plan.refuse_unless_current(inputs)
    gone = forget(
        project,
        plan.goes,
        reason=f"retention, plan {plan.world.digest()[:16]}",
        who=command_log.person(),
        held=held_snapshots.held(project),
        unless_done=True,
    )
    context.memory.drop_snapshots(project.id, [one.id for one in gone])
    return [one.id for one in gone]


def retention_inputs(settings: Settings, project: Project) -> tuple[RetentionInputs, tuple[Problem, ...]]:
    """All that a verdict follows from, and what of it could not be read. Raises `StorageError`, `SettingsError`."""
    from policies.monitoring import retention_freeze
    from policies.retention.plan import RetentionInputs
    from policies.retention.snapshot_facts import described
    from vault.repository import holds, snapshots

    committed = snapshots.committed(project)
    placed = holds.read_all(project)
    now = project.services.clock.now()
    rules = settings.project(project.name)
    frozen = "; ".join(retention_freeze.why(hold) for hold in retention_freeze.freezing(placed.holds, now))
    by_item = [hold for hold in placed.binding(now) if hold.scope.by_item]
    matches = held_snapshots.matching(project, committed.records, by_item)
    found = RetentionInputs(
        project=project.id,
        snapshots=described(committed.records, flagged={}, matches=matches),
        keep=resolve.keep(rules.keep),
        holds=placed.holds,
        zone=ZoneInfo(rules.zone),
        frozen=frozen,
    )
    return found, (*committed.damaged, *placed.problems)


def storage(project: Project) -> StorageUse:
    """What packs cost, and who needs them."""
    from policies.retention.plan import StorageUse
    from vault.format.layout import TIERS
    from vault.repository import snapshots
    from vault.repository.gc import reachability
    from vault.repository.stored_packs import list_packs

    committed = snapshots.committed(project)
    records = {one.id: one for one in committed.records}
    sizes = {pack: size for tier in TIERS for pack, size in list_packs(project, tier).items()}
    reader, moved = reachability.catalogue_reader(project), committed.moved
    return StorageUse(lambda snapshot: snapshots.needed_packs(reader, records[snapshot], moved), sizes)


def retiring(settings: Settings, project: Project) -> ItemRetirement | None:
    """Which items have outlived their retention; None where every item stays for ever."""
    rules = resolve.items(settings.project(project.name))
    if not settings.project(project.name).item_retention:
        return None
    from policies.retention.items import COLUMNS
    from vault.backup.new_manifest import ItemRetirement

    def outlived(table: pa.Table) -> pa.Array:
        from classify.path_patterns import pattern_regex
        from policies.retention.items import Times, evaluate_items
        from vault.repository import holds

        now = project.services.clock.now()
        times = Times(now, ZoneInfo(settings.zone(project.name)))
        binding = holds.read_all(project).binding(now)
        return evaluate_items(table, rules, binding, times, pattern_regex).goes

    return ItemRetirement(COLUMNS, outlived)


def giving_up(project: Project, holds_gone: Callable[[], object]) -> ItemRetirement:
    """Which vanished items a person has given up (see `vault.repository.lost_items`), and no hold is on. Asks the store only
    when it is asked. holds_gone: whether holds are gone, so that nobody knows what they were on."""
    from policies.retention.holds import COLUMNS, items_held
    from vault.backup.new_manifest import ItemRetirement
    from vault.repository import lost_items

    def given_up(table: pa.Table) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        from classify.path_patterns import pattern_regex
        from vault.repository import holds

        goes = lost_items.given_up(project, table)
        if not pc.any(goes).as_py() or holds_gone():
            return pc.and_(goes, pa.scalar(value=False))
        for hold in holds.read_all(project).binding(project.services.clock.now()):
            goes = pc.and_not(goes, items_held(table, hold, pattern_regex))
        return goes

    return ItemRetirement(tuple({*COLUMNS, *lost_items.COLUMNS}), given_up)
