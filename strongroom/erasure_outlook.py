"""Where the erasing of a project stands, for whoever only looks: the next step, who asks, what stands against it, and what the
identity at hand may do. Unlike `plan_erasure` it refuses nothing, and writes no refusal into the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Busy, KeyRefused, RefusedByRule, StrongroomError, UsageError

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.format.erasure import ErasureApproval, ErasureRequest, ProjectContents
    from vault.format.erasure_chain import Erasure
    from vault.repository.erasure_rules import ErasureState
    from vault.repository.project import Project

Outlook: TypeAlias = Literal["ask", "approve", "wait", "erase", "go-on", "done"]
"""As `strongroom.erasure_plan.Step`; `wait`: somebody with another identity must approve it."""


class ErasureOutlook(Struct, frozen=True):
    """Where it stands. contents: what there is; None where it is being destroyed · approvals: identities that must want it, by
    the settings · obstacle: why the step cannot be done now; None where it can · flagged: why retention is frozen, which is no
    obstacle · out_of_reach: what erasing cannot delete, in sentences."""

    project: str
    step: Outlook
    approvals: int
    within: timedelta
    contents: ProjectContents | None = None
    request: ErasureRequest | None = None
    approval: ErasureApproval | None = None
    erasure: Erasure | None = None
    obstacle: StrongroomError | None = None
    flagged: tuple[str, ...] = ()
    out_of_reach: tuple[str, ...] = ()


def erasure_outlook(context: Context, name: str) -> ErasureOutlook:
    """Where it stands; nothing is changed. name: of the project, also of one that is erased. Raises `UsageError` where there is
    no such project, `StorageError`."""
    from strongroom.erasure_plan import plan_erasure
    from vault.repository.erasures import ProjectErased

    try:
        project = context.project(name)
    except ProjectErased:
        found = plan_erasure(context, name)
        return ErasureOutlook(
            project=found.project,
            step="done" if found.step == "done" else "go-on",
            approvals=found.approvals,
            within=found.within,
            request=found.request,
            approval=found.approval,
            erasure=found.erasure,
            out_of_reach=found.out_of_reach,
        )
    return _living(context, name, project)


def erasure_of(context: Context, name: str) -> Erasure | None:
    """The erasing of a project that is erased, with its statements; None for one that is not. Raises as `erasure_outlook`."""
    return erasure_outlook(context, name).erasure


def erased_names(context: Context) -> Iterator[str]:
    """The names of projects that were erased, as far as the identity at hand can read and believes it. Raises
    `StorageError`."""
    from vault.repository import erasures

    repository = context.repository
    for project in sorted(erasures.scopes(repository.store)) if repository.has_erasures else ():
        ids = repository.descriptor.repository, project
        found = erasures.stored(repository.store, *ids, context.identities, context.first or context.memory)[0]
        if found is not None:
            yield context.settings.name_of(project, found.destruction.name)


def _living(context: Context, name: str, project: Project) -> ErasureOutlook:
    from strongroom import erasure_plan
    from strongroom.grants import administration
    from strongroom.settings import durations
    from vault.repository import erasure_rules

    rule = context.settings.document.erasure
    found = ErasureOutlook(
        project=project.id,
        step="ask",
        approvals=rule.approvals,
        within=durations.read(rule.within),
        out_of_reach=erasure_plan.out_of_reach(name, tuple(context.settings.copies)),
    )
    try:
        stored = administration(context, project).project
        state = erasure_rules.state_of(stored, context.identities, context.memory)
    except (KeyRefused, RefusedByRule) as error:
        return replace(found, contents=erasure_rules.contents_of(project), obstacle=error)
    request = state.request
    step: Outlook = "ask"
    if request is not None and request.approvals >= rule.approvals and rule.approvals > 1:
        step = "erase" if state.ready and state.approval is not None else _approvable(state)
    flagged, obstacle = _against(context, project, stored)
    return replace(
        found,
        step=step,
        contents=erasure_rules.contents_of(stored),
        request=None if step == "ask" else request,
        approval=None if step == "ask" else state.approval,
        obstacle=obstacle,
        flagged=flagged,
    )


def _approvable(state: ErasureState) -> Outlook:
    """Whether the identity at hand may approve what others have asked for."""
    from vault.repository import erasure_rules

    try:
        erasure_rules.make_approval(state)
    except RefusedByRule:
        return "wait"
    return "approve"


def _against(context: Context, project: Project, stored: Project) -> tuple[tuple[str, ...], StrongroomError | None]:
    """Flags that freeze retention, and what stands against erasing."""
    from policies.monitoring import retention_freeze
    from vault.format.descriptor import ERASURES
    from vault.repository import descriptor_change, erasure_rules, holds

    flags = retention_freeze.freezing(holds.read_all(stored).holds, stored.services.clock.now())
    flagged = tuple(retention_freeze.why(one) for one in flags)
    try:
        context.refuse_lost_holds(project)
        erasure_rules.refuse(stored, flags={one.id for one in flags})
        descriptor_change.refuse(context.repository, context.identities, ERASURES)
    except (Busy, KeyRefused, RefusedByRule, UsageError) as error:
        return flagged, error
    return flagged, None
