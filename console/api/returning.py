"""Operations that get things back: the basket, the plan, and the task that does it; as the pages, with one's own basket."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from console.api.routing import PROJECT, Call, Operation
from console.api.tasks import TaskAnswer, task_answer
from console.basket import Entry, entries_of
from console.gateway import baskets, getting_back
from console.gateway.listings import quoted
from console.return_options import ReturnOptions, options_of
from vault.errors import RefusedByRule

FORMATS = Literal["", "xlsx", "csv", "ods", "jsonl", "json", "parquet", "feather", "sqlite", "html"]


class BasketBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to put into the basket. items, folders: paths, their bytes percent-quoted · periods: of a kind, or of all · at: a
    moment or a snapshot's id; "" for now · deleted: of folders and periods, what the source no longer has."""

    items: list[str] = []
    folders: list[str] = []
    periods: list[str] = []
    kind: str = ""
    at: str = ""
    deleted: Literal["without", "only", "with"] = "without"


class TakenOut(Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of what is taken out; without any, everything."""

    numbers: list[int] = []


class ReturnBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the basket goes.

    goal: where it was, into a folder of the settings, or as a download · existing: what becomes of what is in the way · format,
    merge, people: of tables · moment, replacing: of the plan that was looked at · reason: for a second person, where one must
    approve it
    """

    goal: Literal["place", "folder", "download"] = "download"
    folder: str = ""
    existing: Literal["", "newer", "replace", "skip", "keep-both"] = ""
    format: FORMATS = ""
    merge: bool = False
    people: bool = False
    compressed: bool = False
    incomplete: bool = False
    verify: bool = False
    moment: str = ""
    replacing: int = 0
    reason: str = ""


class BasketLine(Struct, frozen=True):
    """Something in the basket. name: a path, its bytes percent-quoted, or a period."""

    number: int
    sort: str
    name: str
    kind: str
    at: str
    deleted: str


class BasketAnswer(Struct, frozen=True):
    """The basket of a project."""

    entries: list[BasketLine]


class TroubleLine(Struct, frozen=True):
    """An item that something is wrong with."""

    path: str
    what: str
    message: str


class PlanAnswer(Struct, frozen=True):
    """What getting it back would do. possible: whether it can be done as it is · approval: whether a second person must approve
    it · moment, replacing: to be sent back with what is to be done · hosted: a host carries it out, and finds out what is
    in the way · unmatched: paths and periods of the basket of which nothing is there."""

    possible: bool
    approval: bool
    where: str
    files: int
    bytes: int
    seconds: float
    moment: str
    replacing: int
    hosted: bool
    already_there: int
    skipped: int
    in_the_way: list[TroubleLine]
    missing: list[TroubleLine]
    missing_count: int
    unmatched: list[str]


def _basket(call: Call) -> BasketAnswer:
    return BasketAnswer([_line(one) for one in baskets.entries(call.visit, call.project)])


def _line(one: Entry) -> BasketLine:
    name = one.name.decode("utf-8", "replace") if one.sort == "period" else quoted(one.name)
    return BasketLine(one.number, one.sort, name, one.kind, one.at, one.deleted)


def _put(call: Call) -> BasketAnswer:
    body: BasketBody = call.body
    entries = entries_of(body.items, body.folders, body.periods, kind=body.kind, at=body.at, deleted=body.deleted)
    baskets.put(call.visit, call.project, entries)
    return _basket(call)


def _take_out(call: Call) -> BasketAnswer:
    body: TakenOut = call.body
    if body.numbers:
        baskets.remove(call.visit, call.project, body.numbers)
    else:
        baskets.clear(call.visit, call.project)
    return _basket(call)


def _options(body: ReturnBody) -> ReturnOptions:
    flags = ("merge", "people", "compressed", "incomplete", "verify")
    texts = {name: "1" if getattr(body, name) else "" for name in flags}
    texts |= {name: getattr(body, name) for name in ("goal", "folder", "existing", "format", "moment")}
    texts["replacing"] = str(max(0, body.replacing))
    return options_of(lambda name, default: texts.get(name, default))


def _plan(call: Call) -> PlanAnswer:
    found = getting_back.plan(call.visit, call.project, _options(call.body))
    return PlanAnswer(
        possible=found.is_possible,
        approval=found.approval,
        where=found.where,
        files=found.files,
        bytes=found.size,
        seconds=found.seconds,
        moment=found.options.moment,
        replacing=found.replacing,
        hosted=found.hosted,
        already_there=found.already_there,
        skipped=found.skipped,
        in_the_way=[TroubleLine(one.path, one.what, one.message) for one in found.in_the_way],
        missing=[TroubleLine(one.path, one.what, one.message) for one in found.missing],
        missing_count=found.missing_count,
        unmatched=[one.name.decode("utf-8", "backslashreplace") for one in found.unmatched],
    )


def _get_back(call: Call) -> TaskAnswer:
    body: ReturnBody = call.body
    options = _options(body)
    before = getting_back.started(call.visit, call.project, options)
    if before is not None:
        return task_answer(call, before)
    planned = getting_back.plan(call.visit, call.project, options)
    if planned.replacing > options.replacing:
        raise RefusedByRule(
            f"it would take the place of {planned.replacing} things that exist, and {options.replacing} were confirmed",
            hint="look at the plan again, and send its `replacing`",
        )
    return task_answer(call, getting_back.start(call.visit, planned, body.reason))


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", f"{PROJECT}/basket", "basket", "Your basket.", _basket, (), BasketAnswer),
    Operation("POST", f"{PROJECT}/basket", "put", "Put into your basket.", _put, (), BasketAnswer, BasketBody),
    Operation("POST", f"{PROJECT}/basket/remove", "take_out", "Take out of it.", _take_out, (), BasketAnswer, TakenOut),
    Operation("POST", f"{PROJECT}/plan", "plan", "What getting your basket back would do.", _plan, (), PlanAnswer, ReturnBody),
    Operation(
        "POST", f"{PROJECT}/get-back", "get_back", "Get your basket back, as a task.", _get_back, (), TaskAnswer, ReturnBody
    ),
)
