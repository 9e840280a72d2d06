"""The files of a bag of evidence: a page to begin with, tables as CSV, the log with its signatures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from strongroom import audit_export, evidence_page

if TYPE_CHECKING:
    from restore.export.signature import BagSigner
    from strongroom.audit import FoundEntry
    from strongroom.evidence import Evidence, ProjectEvidence

Rows = Iterable[Mapping[str, object]]

COLUMNS: Mapping[str, Sequence[str]] = {
    "backups": (
        "project", "source", "snapshot", "taken_at", "finished_at", "host", "files", "bytes", "problems", "forgotten"
    ),
    "gaps": ("project", "source", "rpo_seconds", "from", "until", "seconds"),
    "drills": ("project", "at", "user", "host", "result", "files", "bytes", "compared", "milliseconds", "whole_milliseconds"),
    "checks": ("project", "at", "user", "host", "result", "packs_read", "bytes_read", "chunks_read", "damage", "lost_items"),
    "holds": (
        "project", "hold", "kind", "period", "path", "snapshot", "reason", "who", "placed_at", "until", "binds", "released_at",
        "released_by",
    ),
    "retention": ("project", "verdict"),
    "forgotten": ("project", "forgotten_at", "who", "reason", "source", "snapshot", "taken_at"),
    "erasures": (
        "project", "project_id", "erasure", "reason", "asked_by", "asked_at", "approved_by", "approved_at", "erased_by",
        "erased_at", "completed_at", "snapshots", "key_objects", "objects", "bytes", "not_deleted",
    ),
    "locks": ("project", "name", "mode", "until", "legal_hold"),
    "keys": (
        "project", "name", "rights", "fingerprint", "by", "at", "until", "state", "revoked_by", "revoked_at", "last_seen"
    ),
}  # fmt: skip


def payload(found: Evidence, signer: BagSigner | None) -> dict[str, bytes]:
    """All of them, by their names. signer: of the bag; the page says how that is verified."""
    tables = {
        "backups": _backups(found),
        "gaps": _gaps(found),
        "drills": _of_log(found.of_action("drill")),
        "checks": _of_log(found.of_action("check")),
        "holds": _of_each(found, lambda one: one.holds),
        "retention": _of_each(found, lambda one: ({"verdict": line} for line in one.retention)),
        "forgotten": _of_each(found, lambda one: one.forgotten),
        "erasures": found.erasures,
        "locks": _of_each(found, _locks),
        "keys": _of_each(found, lambda one: one.keys or ()),
    }
    files = {"evidence.html": evidence_page.page(found, signer).encode("utf-8", "backslashreplace")}
    for name, rows in tables.items():
        files[f"{name}.csv"] = "".join(audit_export.csv_lines(COLUMNS[name], rows)).encode("utf-8", "backslashreplace")
    for format_ in ("jsonl", "csv"):
        out = io.BytesIO()
        audit_export.write(found.entries, "jsonl" if format_ == "jsonl" else "csv", out)
        files[f"log.{format_}"] = out.getvalue()
    if found.verified is not None:
        files["log-verified.json"] = json.dumps(found.verified.as_json(), indent=2, ensure_ascii=False).encode()
    return files


def _backups(found: Evidence) -> Iterator[dict[str, object]]:
    for project in found.projects:
        for source in project.sources:
            for one in source.backups:
                facts = {name: getattr(one, name) for name in one.__struct_fields__}
                yield {"project": project.project, "source": source.source, **facts}


def _gaps(found: Evidence) -> Iterator[dict[str, object]]:
    for project in found.projects:
        for source in project.sources:
            rpo = None if source.rpo is None else int(source.rpo.total_seconds())
            for one in source.gaps:
                facts = {"from": one.start, "until": one.end, "seconds": one.seconds, "rpo_seconds": rpo}
                yield {"project": project.project, "source": source.source, **facts}


def _of_log(entries: Sequence[FoundEntry]) -> Iterator[dict[str, object]]:
    for one in entries:
        entry, outcome = one.entry, one.entry.outcome
        if outcome is None:
            continue
        about = {"project": ", ".join(each.name for each in entry.projects), "at": entry.at, "result": outcome.result}
        yield {**about, "user": entry.who.user, "host": entry.who.host, **outcome.counts}


def _locks(project: ProjectEvidence) -> Iterator[dict[str, object]]:
    for one in project.locks or ():
        yield {name: getattr(one, name) for name in one.__struct_fields__}


def _of_each(found: Evidence, rows: Any) -> Iterator[dict[str, object]]:  # noqa: ANN401 (gives rows for a project)
    for project in found.projects:
        for row in rows(project):
            yield {"project": project.project, **row}
