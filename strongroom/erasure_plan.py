"""What the next step of erasing a project is, and what stands against it. Nothing is changed.

A request is open for a while, and is of one state of grants and holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import command_log
from vault.errors import RefusedByRule, UsageError
from vault.format.strict_json import write_moment
from vault.progress import NoProgress, Progress, Stop, never
from vault.wording import counted, moment, quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.format.erasure import ErasureApproval, ErasureRequest, ProjectContents
    from vault.format.erasure_chain import Erasure
    from vault.repository.erasure_rules import ErasureState
    from vault.repository.project import Project

Step: TypeAlias = Literal["ask", "approve", "erase", "go-on", "done"]
"""`ask`: a request for others to approve · `erase`: enough people want it · `go-on`: it was cut off, or something was stored
late."""


class ErasureOptions(Struct, frozen=True):
    """reason: why; for a request, where it stays on record · approve: agree to somebody else's request · stop: called often;
    what it raises ends the work · progress: hears how far it is."""

    reason: str = ""
    approve: bool = False
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


class PlannedErasure(Struct, frozen=True):
    """What would be done. name: as it was asked for · project: its id · step: see `Step` · contents: what there is; None where
    it is being destroyed already · approvals, within: as the settings say · request, approval: that are open · erasure: that
    was begun · flagged: why retention is frozen, which is no obstacle · feature: whether the descriptor will name the feature
    `erasures` · state: None once it was begun."""

    name: str
    project: str
    step: Step
    contents: ProjectContents | None
    approvals: int
    within: timedelta
    request: ErasureRequest | None = None
    approval: ErasureApproval | None = None
    erasure: Erasure | None = None
    flagged: tuple[str, ...] = ()
    feature: bool = False
    copies: tuple[str, ...] = ()
    state: ErasureState | None = None

    @property
    def out_of_reach(self) -> tuple[str, ...]:
        """What it cannot delete, in sentences."""
        return out_of_reach(self.name, self.copies)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        contents = None if self.contents is None else self.contents.as_json()
        if contents is not None:
            contents["stored_objects"] = contents.pop("objects")
        return {
            "project": self.name,
            "project_id": self.project,
            "step": self.step,
            "project_contents": contents,
            "approvals": self.approvals,
            "open_request": None if self.request is None else request_json(self.request),
            "approved_by": None if self.approval is None else self.approval.by.name,
            "frozen": list(self.flagged),
            "names_feature": self.feature,
            "out_of_reach": list(self.out_of_reach),
        }


def out_of_reach(name: str, copies: Sequence[str]) -> tuple[str, ...]:
    """What erasing a project cannot delete, in sentences. copies: of the repository, by their names in the settings."""
    there = tuple(
        f"the copy {copy!r} has key objects of its own: erase it there afterwards with "
        f"`strongroom project erase {quoted(name)} --from {copy}`"
        for copy in copies
    )
    return (
        *there,
        "other machines keep sealed copies of key objects: each deletes its own when it next uses the repository",
        "exports and restored files stay where they are, and so does whatever somebody has kept of keys and objects",
    )


def request_json(one: ErasureRequest) -> dict[str, Any]:
    """For `--json`."""
    return {
        "request_id": one.id,
        "by": one.by.name,
        "at": write_moment(one.at),
        "until": write_moment(one.until),
        "reason": one.reason,
        "approvals": one.approvals,
    }


def plan_erasure(context: Context, name: str, options: ErasureOptions | None = None) -> PlannedErasure:
    """What the next step is. Nothing is changed. name: of the project.

    Raises `KeyRefused` where the identity at hand may not erase it, `RefusedByRule` where a hold or a lock stands against it,
    or nobody else has approved it yet, `Busy` while it is backed up or its keys are rotated, `UsageError`, `StorageError`.
    """
    from vault.repository.erasures import ProjectErased

    options = options or ErasureOptions()
    if context.first is not None:
        return _plan_in_copy(context, name)
    try:
        project = context.project(name)
    except ProjectErased as error:
        begun = believed_erasure(context, error.erased.project)
        if begun is None:
            raise
        return _plan_rest(context, name, begun)
    return _plan_living(context, name, project, options)


def believed_erasure(context: Context, project: str) -> Erasure | None:
    """The statements of an erasing that the grants allow; None where it was not begun. project: its id."""
    from vault.repository import erasures

    memory = context.first or context.memory
    repository = context.repository.descriptor.repository
    return erasures.stored(context.repository.store, repository, project, context.identities, memory)[0]


def _plan_rest(context: Context, name: str, begun: Erasure) -> PlannedErasure:
    """Of a project that is erased: whether anything of it is left."""
    from vault.format import layout

    project, store = begun.destruction.project, context.repository.store
    left = any(next(iter(store.list(folder)), None) for folder in (layout.keys_folder(project), layout.project_folder(project)))
    return PlannedErasure(
        name=name,
        project=project,
        step="go-on" if left or begun.completion is None else "done",
        contents=None,
        approvals=begun.request.approvals,
        within=begun.request.until - begun.request.at,
        request=begun.request,
        approval=begun.approval,
        erasure=begun,
        copies=tuple(context.settings.copies),
    )


def _plan_living(context: Context, name: str, project: Project, options: ErasureOptions) -> PlannedErasure:
    from policies.monitoring import retention_freeze
    from strongroom.grants import administration
    from strongroom.settings import durations
    from vault.format.descriptor import ERASURES
    from vault.repository import descriptor_change, erasure_rules, holds

    rule, now = context.settings.document.erasure, project.services.clock.now()
    with command_log.recorded(context, "erase", [project], {"step": "approve" if options.approve else "plan"}):
        stored = administration(context, project).project
        context.refuse_lost_holds(project)
        flags = retention_freeze.freezing(holds.read_all(stored).holds, now)
        erasure_rules.refuse(stored, options.progress, flags={one.id for one in flags})
        descriptor_change.refuse(context.repository, context.identities, ERASURES)
        state = erasure_rules.state_of(stored, context.identities, context.memory)
        step = _step(state, rule.approvals, options)
    return PlannedErasure(
        name=name,
        project=project.id,
        step=step,
        contents=erasure_rules.contents_of(stored),
        approvals=rule.approvals,
        within=_within(durations.read(rule.within)),
        request=None if step == "ask" else state.request,
        approval=None if step == "ask" else state.approval,
        flagged=tuple(retention_freeze.why(one) for one in flags),
        feature=not context.repository.has_erasures,
        copies=tuple(context.settings.copies),
        state=state,
    )


def _within(asked: timedelta) -> timedelta:
    from vault.format.erasure_chain import LONGEST

    if not timedelta(0) < asked <= LONGEST:
        raise UsageError(
            f"erasure.within in the settings is {asked}, and a request is open for at most {LONGEST.days} days",
            hint='write a time of at most 30 days, such as within = "7 days"',
        )
    return asked


def _step(state: ErasureState, approvals: int, options: ErasureOptions) -> Step:
    """What whoever is at hand does next. Raises `RefusedByRule`, `UsageError` where a reason is missing."""
    from vault.format.erasure import LONGEST_REASON
    from vault.repository import erasure_rules

    request, name = state.request, state.project.name
    if options.approve:
        erasure_rules.make_approval(state)
        return "approve"
    enough = state.ready and request is not None and (request.approvals >= approvals or state.approval is not None)
    if enough:
        return "erase"
    if request is None or request.approvals < approvals or approvals == 1:
        if not options.reason.strip() or len(options.reason) > LONGEST_REASON or not options.reason.isprintable():
            raise UsageError(
                f"missing reason: use --reason TEXT, of at most {LONGEST_REASON} characters",
                hint="it stays on record, and whoever asks for the project later reads it",
            )
        return "ask"
    raise RefusedByRule(
        f"project {name!r} is not erased: {request.by.name} has asked for it on {moment(request.at)}, and nobody else has "
        f"approved it yet; the request is open until {moment(request.until)}",
        hint=f"let another person who may read it run `strongroom project erase {quoted(name)} --approve`",
    )


def _plan_in_copy(context: Context, name: str) -> PlannedErasure:
    """In a copy an erasing of the repository is carried out; nobody asks again."""
    from strongroom import copies
    from vault.format import layout
    from vault.repository import erasure_rules, erasures

    memory = context.first or context.memory
    project = context.settings.project_id(name) or memory.projects().get(name) or context.memory.projects().get(name, name)
    if layout.is_id(project):
        with copies.first_store(context) as first:
            for info in first.list(layout.erasures_folder(project)):
                if layout.is_ours(info.name) and info.size <= erasures.LARGEST_SEALED:
                    context.repository.store.put(info.name, first.get(info.name))
    begun = believed_erasure(context, project) if layout.is_id(project) else None
    if begun is None:
        raise RefusedByRule(
            f"project {name!r} was not erased in the repository itself",
            hint=f"erase it there first: `strongroom project erase {quoted(name)} --reason TEXT`",
        )
    now = context.repository.services.clock.now()
    erasure_rules.refuse_locked(context.repository.store, (project, name), now)
    return replace(_plan_rest(context, name, begun), copies=())


def contents_in_words(contents: ProjectContents) -> str:
    """What there is of a project."""
    from vault import wording

    span = f", from {moment(contents.first)} to {moment(contents.last)}" if contents.first and contents.last else ""
    objects = f"{counted(contents.objects, 'stored object')} ({wording.size(contents.bytes)})"
    return f"{counted(contents.snapshots, 'snapshot')}{span}; {objects}, {counted(contents.key_objects, 'key object')} of them"
