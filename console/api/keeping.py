"""Operations about how long things are kept: retention, holds, and the erasing of projects."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct, field
from starlette.responses import Response

from console.api.routing import PROJECT, Call, Operation, Parameter
from console.api.tasks import Nothing
from console.approvals.records import Request
from console.gateway import approved, copy_retention, erasing, proofs, retention, watching
from console.gateway.copy_retention import CopyLine, ShownCopy, WantedCopyRules
from console.gateway.proofs import HoldLine
from console.gateway.retention import WantedRules
from console.gateway.watching import NewHold
from console.streams import disposition
from console.tasks.records import Task

COPY = "/copies/{copy}"


class RulesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of retention. keep: by the names of the settings (`daily`, `within`, …), a rule that is left out keeps nothing, but
    `within` what is younger than 90 days · item_retention: by kind; what is left out stays for ever · reason: it stays in the
    log · confirm: the project's name, where something is kept for less time."""

    reason: str
    keep: dict[str, str] = field(default_factory=dict)
    item_retention: dict[str, str] = field(default_factory=dict)
    confirm: str = ""


class TryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of retention to look at. on: a later day; "" for now."""

    keep: dict[str, str] = field(default_factory=dict)
    item_retention: dict[str, str] = field(default_factory=dict)
    on: str = ""


class CopyTryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of a copy to look at. own: whether it has any; else it goes by those of each project · keep: as for projects ·
    on: a later day; "" for now."""

    own: bool
    keep: dict[str, str] = field(default_factory=dict)
    on: str = ""


class CopyRulesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of a copy. own, keep: as for trying them · reason: it stays in the log · confirm: the copy's name, where
    something is kept for less time."""

    reason: str
    own: bool
    keep: dict[str, str] = field(default_factory=dict)
    confirm: str = ""


class HoldBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A hold; without kind, period and path it is on the whole project. snapshot: the id of one that is held as a whole, in
    their place."""

    reason: str
    kind: str = ""
    period: str = ""
    path: str = ""
    until: str = ""
    snapshot: str = ""


class ReleaseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """hold: its id."""

    hold: str
    reason: str


class EraseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """step: that `erasing` gives, `erase` also for `go-on` · confirm: the project's name · reason: where the step is `ask`."""

    step: Literal["ask", "approve", "erase"]
    confirm: str
    reason: str = ""


class DoneAnswer(Struct, frozen=True):
    """done: whether it is; else a second person must approve it first · request: the id of what waits for that · task: the id
    of what does it; "" where there is none."""

    done: bool
    request: str = ""
    task: str = ""


class ReleasedAnswer(Struct, frozen=True):
    """released: whether it is; else a second person must approve it first · request: the id of what waits for that."""

    released: bool
    request: str


class HoldList(Struct, frozen=True):
    """Holds, the newest first."""

    holds: list[HoldLine]
    problems: list[str]


class ChangedRules(Struct, frozen=True):
    """What other rules would change. shorter: what is kept for less time then, in sentences · possible: whether the console can
    change the settings · by_hand: else what to write there · approval: whether a second person must approve it · goes, stays:
    snapshots."""

    keep: dict[str, str]
    item_retention: dict[str, str]
    shorter: list[str]
    possible: bool
    by_hand: str
    approval: bool
    goes: int
    stays: int


class CopyList(Struct, frozen=True):
    """Copies that the settings name; none for whoever may not watch all projects."""

    copies: list[CopyLine]


class CopyProject(Struct, frozen=True):
    """What goes and stays of a project in a copy: snapshots."""

    project: str
    goes: int
    stays: int


class CopyRetention(Struct, frozen=True):
    """What a copy keeps. own: whether by rules of its own · shorter: what is kept for less time then, in sentences · possible:
    whether the console can change the settings · by_hand: else what to write there · approval: whether a second person must
    approve it · unknown: why it is not known of all projects; "" where it is."""

    copy: str
    own: bool
    keep: dict[str, str]
    shorter: list[str]
    possible: bool
    by_hand: str
    approval: bool
    projects: list[CopyProject]
    unknown: str


class ErasureAnswer(Struct, frozen=True):
    """Where the erasing of a project stands. step: the next one · identities: how many must want it · approval: whether a
    second person of the console must approve it · asked_by, reason, until: of the open request · obstacle: why it cannot be
    done now."""

    step: str
    identities: int
    approval: bool
    snapshots: int
    objects: int
    bytes: int
    asked_by: str
    reason: str
    until: datetime | None
    approved_by: str
    obstacle: str
    out_of_reach: list[str]


def _retention(call: Call) -> object:
    return retention.shown(call.visit, call.project, call.text("on")).found.as_json()


def _try(call: Call) -> ChangedRules:
    body: TryBody = call.body
    found = retention.shown(call.visit, call.project, body.on, WantedRules(body.keep, body.item_retention))
    verdict = found.found.plan.verdict
    return ChangedRules(
        keep=found.keep,
        item_retention=found.items,
        shorter=[] if found.planned is None else [*found.planned.shorter],
        possible=not found.by_hand,
        by_hand=found.by_hand,
        approval=found.approval,
        goes=len(verdict.forgotten),
        stays=len(verdict.kept),
    )


def _change(call: Call) -> DoneAnswer:
    body: RulesBody = call.body
    wanted = WantedRules(body.keep, body.item_retention)
    return _done_or(retention.change(call.visit, call.project, wanted, body.reason, body.confirm))


def _copies(call: Call) -> CopyList:
    return CopyList([*copy_retention.copies(call.visit)])


def _copy(call: Call) -> CopyRetention:
    return _shown_copy(copy_retention.shown(call.visit, call.visit.value("copy"), call.text("on")))


def _try_copy(call: Call) -> CopyRetention:
    body: CopyTryBody = call.body
    wanted = WantedCopyRules(body.own, body.keep)
    return _shown_copy(copy_retention.shown(call.visit, call.visit.value("copy"), body.on, wanted))


def _shown_copy(found: ShownCopy) -> CopyRetention:
    projects = [CopyProject(one.project, len(one.plan.verdict.forgotten), len(one.plan.verdict.kept)) for one in found.found]
    shorter = [] if found.planned is None else [*found.planned.shorter]
    return CopyRetention(
        copy=found.copy,
        own=found.own,
        keep=found.keep,
        shorter=shorter,
        possible=not found.by_hand,
        by_hand=found.by_hand,
        approval=found.approval,
        projects=projects,
        unknown=found.unknown,
    )


def _change_copy(call: Call) -> DoneAnswer:
    body: CopyRulesBody = call.body
    wanted = WantedCopyRules(body.own, body.keep)
    return _done_or(copy_retention.change(call.visit, call.visit.value("copy"), wanted, body.reason, body.confirm))


def _holds(call: Call) -> HoldList:
    lines, problems = proofs.project_holds(call.visit, call.project)
    return HoldList(list(lines), list(problems))


def _place_hold(call: Call) -> object:
    body: HoldBody = call.body
    wanted = NewHold(body.kind, body.period, body.path, body.until, body.reason, body.snapshot)
    placed = watching.place_hold(call.visit, call.project, wanted)
    return placed.as_json()


def _release(call: Call) -> ReleasedAnswer:
    body: ReleaseBody = call.body
    waiting = watching.release_hold(call.visit, call.project, body.hold, body.reason)
    return ReleasedAnswer(waiting is None, "" if waiting is None else waiting.id)


def _erasing(call: Call) -> ErasureAnswer:
    shown = erasing.shown(call.visit, call.project)
    found = shown.outlook
    contents, request = found.contents, found.request
    return ErasureAnswer(
        step=found.step,
        identities=found.approvals,
        approval=shown.approval,
        snapshots=0 if contents is None else contents.snapshots,
        objects=0 if contents is None else contents.objects,
        bytes=0 if contents is None else contents.bytes,
        asked_by="" if request is None else request.by.name,
        reason="" if request is None else request.reason,
        until=None if request is None else request.until,
        approved_by="" if found.approval is None else found.approval.by.name,
        obstacle="" if found.obstacle is None else str(found.obstacle),
        out_of_reach=[*found.out_of_reach],
    )


def _erase(call: Call) -> DoneAnswer:
    body: EraseBody = call.body
    if body.step == "approve":
        erasing.approve(call.visit, call.project, body.confirm)
        return DoneAnswer(done=True)
    if body.step == "erase":
        return DoneAnswer(done=False, task=erasing.begin(call.visit, call.project, body.confirm).id)
    return _done_or(erasing.ask(call.visit, call.project, body.reason, body.confirm))


def _done_or(waits: Request | Task | None) -> DoneAnswer:
    """waits: what was made in the place of doing it at once."""
    match waits:
        case None:
            return DoneAnswer(done=True)
        case Task():
            return DoneAnswer(done=False, task=waits.id)
        case Request():
            return DoneAnswer(done=False, request=waits.id)


def _act(call: Call) -> object:
    found = erasing.act(call.visit, call.project)
    return {
        "project": call.project,
        "erasure": found.erasure.destruction.id,
        "reason": found.erasure.request.reason,
        "completed": found.erasure.completion is not None,
        "statements": found.statements,
        "commands": found.commands,
    }


def _act_file(call: Call) -> Response:
    headers = {"content-disposition": disposition(f"act-of-destruction-{call.project}.zip")}
    return Response(erasing.act_file(call.visit, call.project), 200, headers, "application/zip")


def _carry_out(call: Call) -> DoneAnswer:
    area, *rest = approved.carry_out(call.visit, call.visit.value("request"))
    if area in ("tasks", "approvals"):
        return DoneAnswer(done=False, task=rest[0] if area == "tasks" else "", request=rest[0] if area == "approvals" else "")
    return DoneAnswer(done=True)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        f"{PROJECT}/retention",
        "retention",
        "What retention would let go.",
        _retention,
        (Parameter("on", "a later day; left out: now"),),
    ),
    Operation(
        "POST",
        f"{PROJECT}/retention/try",
        "try_retention",
        "What other rules would let go; nothing is changed.",
        _try,
        answer=ChangedRules,
        body=TryBody,
    ),
    Operation(
        "POST",
        f"{PROJECT}/retention",
        "change_retention",
        "Have other rules, or ask a second person for them.",
        _change,
        answer=DoneAnswer,
        body=RulesBody,
    ),
    Operation("GET", "/copies", "copies", "Copies of the repository.", _copies, answer=CopyList),
    Operation(
        "GET",
        f"{COPY}/retention",
        "copy_retention",
        "What a copy keeps.",
        _copy,
        (Parameter("on", "a later day; left out: now"),),
        CopyRetention,
    ),
    Operation(
        "POST",
        f"{COPY}/retention/try",
        "try_copy_retention",
        "What a copy would keep by other rules; nothing is changed.",
        _try_copy,
        answer=CopyRetention,
        body=CopyTryBody,
    ),
    Operation(
        "POST",
        f"{COPY}/retention",
        "change_copy_retention",
        "Have other rules for a copy, or ask a second person for them.",
        _change_copy,
        answer=DoneAnswer,
        body=CopyRulesBody,
    ),
    Operation("GET", f"{PROJECT}/holds", "holds", "Holds and their history.", _holds, answer=HoldList),
    Operation("POST", f"{PROJECT}/holds", "place_hold", "Place a hold.", _place_hold, body=HoldBody),
    Operation(
        "POST",
        f"{PROJECT}/holds/release",
        "release_hold",
        "Release a hold, or ask a second person for it.",
        _release,
        answer=ReleasedAnswer,
        body=ReleaseBody,
    ),
    Operation(
        "GET",
        f"{PROJECT}/erase",
        "erasing",
        "Where the erasing of a project stands, and what it would come to.",
        _erasing,
        answer=ErasureAnswer,
    ),
    Operation(
        "POST",
        f"{PROJECT}/erase",
        "erase",
        "The next step of erasing a project: ask for it, approve it, or do it as a task.",
        _erase,
        answer=DoneAnswer,
        body=EraseBody,
    ),
    Operation("GET", f"{PROJECT}/erasure", "act", "The act of destruction of a project that was erased.", _act),
    Operation(
        "GET",
        f"{PROJECT}/erasure/file",
        "act_file",
        "The same with its signed statements.",
        _act_file,
        media_types=("application/zip",),
    ),
    Operation(
        "POST",
        "/approvals/{request}/carry-out",
        "carry_out",
        "Do what was approved.",
        _carry_out,
        answer=DoneAnswer,
        body=Nothing,
    ),
)
