"""Operations that prove: the log, evidence, exports with proof, and whether a bag is what it says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from console.access.rights import Action
from console.api.routing import PROJECT, Call, Operation, Parameter
from console.api.tasks import TaskAnswer, task_answer
from console.gateway import bags, exporting, proofs
from console.gateway.bags import ListedBag, MadeBag
from console.gateway.proofs import LogQuestion, ShownLog
from console.pages.prove import TYPES as LOG_TYPES
from console.pages.prove import download
from console.tasks.records import ExportWork


class LogFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Entries of the log, as a file."""

    format: Literal["csv", "jsonl"] = "jsonl"
    action: str = ""
    user: str = ""
    result: str = ""
    since: str = ""
    until: str = ""


class EvidenceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """period: as `--period` takes it."""

    period: str


class ExportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Items with proof; what is left out means no matter which. versions: of each file the newest so many; 0 for all · format:
    to which tables are converted · people: so that people can open them in a spreadsheet · reason: needed for making it."""

    kinds: list[str] = []
    periods: list[str] = []
    formats: list[str] = []
    paths: list[str] = []
    overlapping: bool = False
    at: str = ""
    deleted: bool = False
    versions: int = 1
    format: Literal["", "xlsx", "csv", "ods", "jsonl", "json", "parquet", "feather", "sqlite", "html"] = ""
    people: bool = False
    reason: str = ""


class ListedBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A bag in a folder of the settings, as `bags` lists it."""

    folder: str
    name: str


class VerifyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """only_new: read only what the console's host has not found whole before; a change of older entries is not seen · heads:
    that somebody was told, as notifications have them."""

    only_new: bool = False
    heads: list[str] = []


class VerifiedLogAnswer(Struct, frozen=True):
    """Whether the log is whole. discrepancies: what is wrong, in words · entries, not_read: of all chains; how many were not
    read, as they were found whole before · stamps: time stamps that are verified."""

    sound: bool
    chains: int
    entries_waiting: int
    discrepancies: list[str]
    entries: int
    not_read: int
    stamps: int


class ExportAnswer(Struct, frozen=True):
    """What an export would come to. whole: whether it is all of the project · approval: whether a second person must approve
    it · missing: how many items are gone."""

    files: int
    bytes: int
    seconds: float
    whole: bool
    approval: bool
    missing: int


class BagList(Struct, frozen=True):
    """made: by the log, the newest first; empty for whoever may not read that · listed: in folders of the settings."""

    made: list[MadeBag]
    listed: list[ListedBag]


def _log_question(call: Call) -> LogQuestion:
    texts = {name: call.text(name) for name in ("action", "user", "result", "since", "until")}
    return LogQuestion(**texts, last=max(1, min(call.number("last", proofs.MOST_SHOWN), 1000)))


def _log(call: Call) -> ShownLog:
    return proofs.log(call.visit, call.project, _log_question(call))


def _account_log(call: Call) -> ShownLog:
    return proofs.account_log(call.visit, _log_question(call))


def _log_file(call: Call) -> Response:
    body: LogFile = call.body
    question = LogQuestion(body.action, body.user, body.result, body.since, body.until)
    file = proofs.log_file(call.visit, call.project, question, body.format)
    return download(file, f"log-{call.project}.{body.format}", LOG_TYPES[body.format])


def _verify(call: Call) -> VerifiedLogAnswer:
    found = proofs.verified_log(call.visit, call.project, " ".join(call.body.heads), only_new=call.body.only_new)
    return VerifiedLogAnswer(
        sound=found.sound,
        chains=len(found.chains),
        entries_waiting=found.waiting,
        discrepancies=[one.message for one in found.findings],
        entries=sum(one.entries for one in found.chains),
        not_read=sum(one.not_read for one in found.chains),
        stamps=found.stamps.verified,
    )


def _evidence(call: Call) -> Response:
    name, file = proofs.evidence_file(call.visit, call.project, call.body.period)
    return download(file, name, "application/zip")


def _work(body: ExportBody) -> ExportWork:
    return ExportWork(
        kinds=tuple(body.kinds),
        periods=tuple(body.periods),
        formats=tuple(body.formats),
        paths=tuple(body.paths),
        overlapping=body.overlapping,
        at=body.at,
        deleted=body.deleted,
        versions=body.versions if body.versions > 0 else None,
        table_format=body.format,
        people=body.people,
        reason=body.reason,
    )


def _plan(call: Call) -> ExportAnswer:
    found = exporting.plan(call.visit, call.project, _work(call.body))
    return ExportAnswer(found.files, found.size, found.seconds, found.whole, found.approval, found.missing_count)


def _export(call: Call) -> TaskAnswer:
    return task_answer(call, exporting.start(call.visit, call.project, _work(call.body)))


def _bags(call: Call) -> BagList:
    listed = bags.listed(call.visit, call.project)
    audits = bags.may_list(call.visit, call.project)
    return BagList([*bags.made(call.visit, call.project)] if audits else [], [*listed])


def _verify_brought(call: Call) -> TaskAnswer:
    return task_answer(call, bags.verify_brought(call.visit, call.project, call.body))


def _verify_listed(call: Call) -> TaskAnswer:
    return task_answer(call, bags.verify_listed(call.visit, call.project, call.body.folder, call.body.name))


FILTERS = (
    Parameter("action", "only this: backup, restore, view, …"),
    Parameter("user", "only of this person"),
    Parameter("result", "only what ended like this: ok, problems, refused, failed, interrupted, running"),
    Parameter("since", "what began then or later"),
    Parameter("until", "what began before then"),
    Parameter("last", "so many, the newest", kind="integer"),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET", "/accounts/log", "account_log", "Who signed in; changes of accounts.", _account_log, FILTERS, answer=ShownLog
    ),
    Operation("GET", f"{PROJECT}/log", "log", "The log of a project.", _log, FILTERS, answer=ShownLog),
    Operation(
        "POST",
        f"{PROJECT}/log/file",
        "log_file",
        "The log as a file.",
        _log_file,
        body=LogFile,
        media_types=tuple(LOG_TYPES.values()),
    ),
    Operation(
        "POST",
        f"{PROJECT}/log/verify",
        "verify_log",
        "Whether the log is whole, or what is new of it.",
        _verify,
        answer=VerifiedLogAnswer,
        body=VerifyBody,
    ),
    Operation(
        "POST",
        f"{PROJECT}/evidence",
        "evidence",
        "A signed bag of evidence.",
        _evidence,
        body=EvidenceBody,
        media_types=("application/zip",),
    ),
    Operation(
        "POST",
        f"{PROJECT}/export/plan",
        "plan_export",
        "What an export with proof would come to.",
        _plan,
        answer=ExportAnswer,
        body=ExportBody,
    ),
    Operation(
        "POST",
        f"{PROJECT}/export",
        "export",
        "Items with proof, as a signed bag, by a task; or a request for a second person.",
        _export,
        answer=TaskAnswer,
        body=ExportBody,
    ),
    Operation(
        "GET",
        f"{PROJECT}/bags",
        "bags",
        "The bags that were made, and those that can be verified.",
        _bags,
        answer=BagList,
    ),
    Operation(
        "POST",
        f"{PROJECT}/bags/verify",
        "verify_bag",
        "Verify a bag that is sent, by a task.",
        _verify_brought,
        answer=TaskAnswer,
        upload=Action.EXPORT_BAG,
    ),
    Operation(
        "POST",
        f"{PROJECT}/bags/verify-listed",
        "verify_listed_bag",
        "Verify a bag in a folder of the settings, by a task.",
        _verify_listed,
        answer=TaskAnswer,
        body=ListedBody,
    ),
)
