"""Erasing a project: two people want it, then its keys are destroyed, then everything else. A run does the next step, as
`erasure_plan` found it: ask, approve, erase, or go on where it was cut off.

Once the destruction is stated the project counts as erased, and there is no way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, erased_projects, notices
from strongroom.erasure_plan import ErasureOptions, PlannedErasure, believed_erasure, request_json
from vault.age import HybridIdentity
from vault.errors import KeyRefused, RefusedByRule

if TYPE_CHECKING:
    from strongroom.command_log import Recording
    from strongroom.context import Context
    from vault.format.erasure import ErasureApproval, ErasureRequest
    from vault.format.erasure_chain import Erasure
    from vault.problems import Problem
    from vault.repository.destruction import Destroyed
    from vault.repository.erasure_rules import ErasureState


class ErasureResult(Struct, frozen=True):
    """What was done. request, approval: that are open now · erasure: with all statements; None where it was not begun ·
    destroyed: what this run has deleted · old_versions: of other objects than key objects, that the bucket keeps; None where
    nobody can say."""

    planned: PlannedErasure
    request: ErasureRequest | None = None
    approval: ErasureApproval | None = None
    erasure: Erasure | None = None
    destroyed: Destroyed | None = None
    old_versions: int | None = None

    @property
    def problems(self) -> list[Problem]:
        """Objects that the store would not delete."""
        return [] if self.destroyed is None else self.destroyed.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        from vault.repository.erasures import ErasedProject

        erased = None if self.erasure is None else ErasedProject.of(self.erasure).as_json()
        done = self.destroyed
        return {
            "project": self.planned.name,
            "project_id": self.planned.project,
            "step": self.planned.step,
            "open_request": None if self.request is None else request_json(self.request),
            "approved_by": None if self.approval is None else self.approval.by.name,
            "erased_project": erased,
            "completed": self.erasure is not None and self.erasure.completion is not None,
            "destroyed": {
                "key_objects": 0 if done is None else done.key_objects,
                "stored_objects": 0 if done is None else done.objects,
                "bytes": 0 if done is None else done.bytes,
            },
            "old_versions": self.old_versions,
            "out_of_reach": list(self.planned.out_of_reach),
            "problem_list": [one.as_json() for one in self.problems],
        }


def erase_project(context: Context, planned: PlannedErasure, options: ErasureOptions | None = None) -> ErasureResult:
    """Do the step of a plan; the same again completes what was cut off. Raises as `plan_erasure`, `StorageDenied` where the
    credentials may not delete key objects with their versions, before anything was said."""
    options = options or ErasureOptions()
    if planned.erasure is not None:
        return _go_on(context, planned, planned.erasure, options)
    what = {"step": planned.step, "reason": options.reason, "snapshots": planned.contents and planned.contents.snapshots}
    project = context.project(planned.project)
    with command_log.recorded(context, "erase", [project], what) as entry:
        if planned.step == "approve":
            return _approve(context, planned, entry)
        request: ErasureRequest | None = None
        if planned.step == "ask":
            request = _ask(context, planned, options, entry)
            if request.approvals > 1:
                return ErasureResult(planned, request)
        return _begin(context, planned, options, entry)


def _state(context: Context, planned: PlannedErasure) -> ErasureState:
    """As it is now. Raises `RefusedByRule`."""
    from strongroom.grants import administration
    from vault.repository import erasure_rules

    project = administration(context, context.project(planned.project)).project
    return erasure_rules.state_of(project, context.identities, context.memory)


def _ask(context: Context, planned: PlannedErasure, options: ErasureOptions, entry: Recording) -> ErasureRequest:
    from vault.format.descriptor import ERASURES
    from vault.repository import descriptor_change, erasure_rules, erasures

    entry.begin()
    if planned.feature:
        options.progress.phase("writing key objects anew")
        repository = descriptor_change.introduce(context.repository, context.identities, ERASURES, options.stop)
        notices.notice("the repository has the feature `erasures` now: earlier versions of Strongroom refuse it by name")
        context = replace(context, repository=repository)
    descriptor_change.finish(context.repository, context.identities, options.stop)
    state = _state(context, planned)
    contents = erasure_rules.contents_of(state.project)
    made = erasure_rules.make_request(
        state, reason=options.reason, approvals=planned.approvals, within=planned.within, contents=contents
    )
    erasures.write(state.project.store, made, state.recipients, state.project.services.randomness)
    entry.note(request=made.id, approvals=made.approvals)
    return made


def _approve(context: Context, planned: PlannedErasure, entry: Recording) -> ErasureResult:
    from vault.repository import erasure_rules, erasures

    state = _state(context, planned)
    if state.request is None or planned.request is None or state.request.id != planned.request.id:
        raise RefusedByRule("another request stands there by now", hint="look at it: run the same again")
    made = erasure_rules.make_approval(state)
    entry.begin()
    erasures.write(state.project.store, made, state.recipients, state.project.services.randomness)
    entry.note(request=state.request.id, approval=made.id)
    return ErasureResult(planned, state.request, made)


def _begin(context: Context, planned: PlannedErasure, options: ErasureOptions, entry: Recording) -> ErasureResult:
    """State the destruction, and carry it out. What stands against it is asked once more right before."""
    from policies.monitoring import retention_freeze
    from vault.format.descriptor import Descriptor
    from vault.repository import erasure_rules, erasures, holds
    from vault.repository.repository import Repository

    store, randomness = context.repository.store, context.repository.services.randomness
    data = Repository.stored_descriptor(store)
    described = replace(context.repository.descriptor, features=Descriptor.decode(data).features)
    context = replace(context, repository=replace(context.repository, data=data, descriptor=described))
    state = _state(context, planned)
    flags = retention_freeze.freezing(holds.read_all(state.project).holds, state.project.services.clock.now())
    erasure_rules.refuse(state.project, options.progress, flags={one.id for one in flags})
    erasure_rules.refuse_undeletable(store, state.project.id, randomness)
    statement = erasure_rules.make_destruction(state)
    entry.note(erasure=statement.id, approved_by=None if state.approval is None else state.approval.by.name)
    entry.begin(destructive=True)
    erasures.write(store, statement, state.recipients, randomness)
    begun = believed_erasure(context, planned.project)
    if begun is None:
        raise RefusedByRule("what was stated cannot be read again; run the same again")
    return _destroy(context, planned, begun, options, entry)


def _go_on(context: Context, planned: PlannedErasure, begun: Erasure, options: ErasureOptions) -> ErasureResult:
    """What was stated is carried out, by whoever may delete. Nobody is left who could read an entry of the project's log."""
    from vault.repository import erasure_rules

    if planned.step == "done":
        return ErasureResult(planned, begun.request, begun.approval, begun)
    randomness = context.repository.services.randomness
    erasure_rules.refuse_undeletable(context.repository.store, planned.project, randomness)
    return _destroy(context, planned, begun, options, None)


def _destroy(
    context: Context, planned: PlannedErasure, begun: Erasure, options: ErasureOptions, entry: Recording | None
) -> ErasureResult:
    from vault.repository import destruction, erasures
    from vault.repository.destruction import DestructionOptions
    from vault.repository.erasures import ErasedProject

    repository, store = context.repository, context.repository.store
    own = [one for one in context.identities if isinstance(one, HybridIdentity)]
    if not own:
        raise KeyRefused("there is no post-quantum identity at hand that could sign", hint="use --identity FILE")
    work = DestructionOptions(options.stop, options.progress)
    done = destruction.destroy(store, planned.project, own, work)
    erasures.remember(context.memory, ErasedProject.of(begun))
    erased_projects.forget_memory(context.memory, planned.project)
    erased_projects.meet(context)
    if entry is not None:
        entry.count(key_objects=done.key_objects, objects=done.objects, bytes=done.bytes)
        entry.problems(len(done.left))
    head = None if entry is None else entry.head()
    end = begun.completion
    if end is None or done.key_objects or done.objects:
        log = "" if head is None else head.as_text()
        signed = (destruction.complete(store, begun, done, one, repository.services, log) for one in own)
        end = next((one for one in signed if one is not None), end)
    if end is None:
        notices.warn("this identity may not sign that it has ended: let one of those who wanted it run the same command")
    found = replace(begun, completion=end)
    versions = destruction.old_versions(store, planned.project)
    return ErasureResult(planned, begun.request, begun.approval, found, done, versions)
