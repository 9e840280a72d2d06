"""The page with which a bag of evidence begins: one file, nothing fetched, no scripts, charts as inline SVG, made to be
printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from vault import wording
from vault.wording import counted

if TYPE_CHECKING:
    from restore.export.signature import BagSigner
    from strongroom.audit import FoundEntry
    from strongroom.audit_verification import VerifiedLog
    from strongroom.evidence import Evidence, ProjectEvidence, SourceEvidence

WIDTH, HEIGHT = 720, 28
SHOWN = 40
"""Rows of a table; the file beside the page has all."""

_STYLE = """
body { font: 11pt/1.45 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #111; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #999; } h3 { font-size: 1em; }
table { border-collapse: collapse; margin: .6em 0; } th, td { border: 1px solid #bbb; padding: .2em .5em; text-align: left;
vertical-align: top; overflow-wrap: anywhere; } th { background: #eee; }
svg { display: block; margin: .2em 0; max-width: 100%; }
.bad { color: #a00; font-weight: bold; } .good { color: #060; font-weight: bold; }
@media print { body { font-size: 9pt; margin: 0; max-width: none; } tr, svg { break-inside: avoid; } }
@page { size: A4; margin: 14mm; }
"""


def page(found: Evidence, signer: BagSigner | None) -> str:
    """The whole page. signer: of the bag; None where nobody signs it."""
    return "".join(_parts(found, signer))


def _parts(found: Evidence, signer: BagSigner | None) -> Iterator[str]:
    title = f"Evidence: {', '.join(one.project for one in found.projects)}, {found.period}"
    yield f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{_text(title)}</h1>\n"
    yield f"<p>From {_moment(found.start)} to {_moment(found.end)}; made by {_text(found.made_by)} on "
    yield f"{_moment(found.made_at)}. What was promised is what the settings promise on that day. Every table is a file "
    yield "beside this page.</p>\n"
    yield from _log(found.verified, len(found.entries))
    for project in found.projects:
        yield from _project(found, project)
    yield from _erasures(found)
    yield from _signature(signer)
    yield "</body>\n</html>\n"


def _signature(signer: BagSigner | None) -> Iterator[str]:
    """How the bag is verified, for somebody who has OpenSSH and nothing else."""
    yield "<h2>How this is verified</h2>\n"
    if signer is None:
        yield "<p>Nobody has signed this bag.</p>\n"
        return
    facts = signer.as_json()
    yield "<p>In the folder of the bag, with the line of allowed signers in a file allowed_signers; the line is right if the "
    yield "key is the signer's, which must be known from elsewhere. Then sha256sum -c tagmanifest-sha256.txt, and the same "
    yield "with manifest-sha256.txt.</p>\n"
    names = ("signer", "fingerprint", "allowed_signers", "verify", "authority", "verify_time_stamp")
    yield _table(("", ""), [(name.replace("_", " "), facts[name]) for name in names if name in facts])


def _log(verified: VerifiedLog | None, entries: int) -> Iterator[str]:
    yield "<h2>The log</h2>\n"
    if verified is None:
        yield "<p>There is no log, or it may not be read with the identity that made this.</p>\n"
        return
    verdict = '<span class="good">whole</span>' if verified.sound else '<span class="bad">NOT WHOLE</span>'
    yield f"<p>The whole log was verified: {verdict}. {counted(entries, 'entry', 'entries')} of it began in the period "
    yield "(log.jsonl, log.csv).</p>\n"
    rows = [
        (one.principal, one.entries, ", ".join(one.hosts), "" if one.head is None else one.head.as_text())
        for one in verified.chains
    ]
    yield _table(("Principal", "Entries", "Machines", "Head"), rows)
    if verified.findings:
        yield _table(("What is wrong",), [(one.message,) for one in verified.findings[:SHOWN]])
    if verified.stamps.latest is not None:
        yield f"<p>The newest time stamp of an authority that is known: {_moment(verified.stamps.latest)}.</p>\n"


def _project(found: Evidence, project: ProjectEvidence) -> Iterator[str]:
    yield f"<h2>{_text(project.project)}</h2>\n<p>{project.project_id}</p>\n<h3>Backups</h3>\n"
    for source in project.sources:
        yield from _source(found, source)
    drills = [one for one in found.of_action("drill") if any(each.id == project.project_id for each in one.entry.projects)]
    yield "<h3>Drills</h3>\n"
    yield from _drills(drills)
    checks = [one for one in found.of_action("check") if any(each.id == project.project_id for each in one.entry.projects)]
    read = sum(one.entry.outcome.counts.get("bytes_read", 0) for one in checks if one.entry.outcome is not None)
    yield f"<h3>Checks</h3>\n<p>{counted(len(checks), 'check')} that read stored data, {wording.size(read)} in all.</p>\n"
    yield "<h3>Holds</h3>\n"
    holds = [(one["reason"], one["who"], one["placed_at"], one["released_at"] or one["until"]) for one in project.holds]
    yield _table(("Reason", "Placed by", "At", "Until"), holds) if holds else "<p>None.</p>\n"
    yield "<h3>Retention</h3>\n<p>" + "<br>".join(_text(line) for line in project.retention[:SHOWN]) + "</p>\n"
    yield "<h3>Forgotten</h3>\n"
    gone = [(_moment(one["forgotten_at"]), one["who"], one["reason"], one["snapshot"]) for one in project.forgotten[:SHOWN]]
    yield f"<p>{counted(len(project.forgotten), 'snapshot')}.</p>\n"
    yield _table(("At", "By", "Reason", "Snapshot"), gone) if gone else ""
    yield from _let_go(found, project)
    yield from _locks(project)
    yield from _keys(project)


def _source(found: Evidence, source: SourceEvidence) -> Iterator[str]:
    promised = "no RPO is promised" if source.rpo is None else f"RPO {wording.duration(source.rpo.total_seconds())}"
    worst = max((one.seconds for one in source.gaps), default=0)
    kept = '<span class="good">kept throughout</span>' if not source.gaps else ""
    missed = f'<span class="bad">{counted(len(source.gaps), "gap")}</span>, the longest {wording.duration(worst)}'
    said = "" if source.rpo is None else f": {kept or missed}"
    yield f"<p><b>{_text(source.source)}</b>: {counted(len(source.backups), 'backup')}; {promised}{said}</p>\n"
    yield _timeline(found, source)
    rows = [(_moment(one.start), _moment(one.end), wording.duration(one.seconds)) for one in source.gaps[:SHOWN]]
    yield _table(("Without a backup from", "Until", "For"), rows) if rows else ""


def _timeline(found: Evidence, source: SourceEvidence) -> str:
    """A line for each backup, red where the promise was not kept."""
    span = max(1.0, (found.end - found.start).total_seconds())

    def at(moment: datetime) -> float:
        return round(WIDTH * min(1.0, max(0.0, (moment - found.start).total_seconds() / span)), 1)

    gaps = "".join(
        f'<rect x="{at(one.start)}" y="0" width="{max(1.0, at(one.end) - at(one.start)):.1f}" '
        f'height="{HEIGHT}" fill="#e9b4b4"/>'
        for one in source.gaps
    )
    places = sorted({round(at(one.taken_at)) for one in source.backups})
    marks = "".join(f'<path d="M{place} 6V{HEIGHT - 6}" stroke="#264" stroke-width="1"/>' for place in places)
    frame = f'<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    label = f"{counted(len(source.backups), 'backup')}, {counted(len(source.gaps), 'gap')}"
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{label}">{gaps}{marks}{frame}</svg>\n'


def _drills(drills: Sequence[FoundEntry]) -> Iterator[str]:
    """When, what came of it, and how long the restore took."""
    rows = []
    for one in drills:
        outcome = one.entry.outcome
        if outcome is None:
            continue
        counts = outcome.counts
        took, whole = (wording.duration(counts.get(name, 0) / 1000) for name in ("milliseconds", "whole_milliseconds"))
        rows.append((_moment(one.entry.at), outcome.result, counts.get("files", 0), took, whole))
    if not rows:
        yield "<p>None in the period.</p>\n"
        return
    yield _bars([one.entry.outcome.counts.get("milliseconds", 0) for one in drills if one.entry.outcome is not None])
    yield _table(("At", "Result", "Files", "Restored in", "All would take"), rows[-SHOWN:])


def _bars(values: Sequence[int]) -> str:
    """A bar for each value, as high as it is beside the greatest."""
    most, width = max(1, *values), WIDTH / max(1, len(values))
    bars = "".join(
        f'<rect x="{number * width:.1f}" y="{60 - 60 * value / most:.1f}" width="{max(1.0, width - 1):.1f}" '
        f'height="{60 * value / most:.1f}" fill="#579"/>'
        for number, value in enumerate(values)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} 60" width="{WIDTH}" height="60" role="img" aria-label="time of each drill">{bars}</svg>\n'
    )


def _let_go(found: Evidence, project: ProjectEvidence) -> Iterator[str]:
    """Who forgot, pruned, accepted or erased what, by the log."""
    actions = (
        "forget",
        "retention",
        "prune",
        "accept",
        "accept-loss",
        "acknowledge",
        "hold-release",
        "repair",
        "erase",
        "retention-change",
    )
    entries = [one for one in found.of_action(*actions) if any(each.id == project.project_id for each in one.entry.projects)]
    rows = []
    for one in entries[-SHOWN:]:
        entry, outcome = one.entry, one.entry.outcome
        counts = {} if outcome is None else outcome.counts
        said = ", ".join(f"{name} {number}" for name, number in counts.items() if number)
        result = "" if outcome is None else outcome.result
        rows.append((_moment(entry.at), f"{entry.who.user}@{entry.who.host}", entry.action, result, said))
    yield "<h3>What was let go of, by the log</h3>\n"
    yield _table(("At", "By", "What", "Result", "Counts"), rows) if rows else "<p>Nothing.</p>\n"


def _erasures(found: Evidence) -> Iterator[str]:
    """Projects that are no more, by the signed statements."""
    if not found.erasures:
        return
    yield "<h2>Projects that were erased</h2>\n"
    rows = [
        (
            _moment(one["erased_at"]),
            one["project"],
            one["reason"],
            one["asked_by"],
            one["approved_by"],
            one["erased_by"],
            "" if one["completed_at"] is None else _moment(one["completed_at"]),
        )
        for one in found.erasures[:SHOWN]
    ]
    yield _table(("At", "Project", "Reason", "Asked by", "Approved by", "Erased by", "Completed"), rows)


def _locks(project: ProjectEvidence) -> Iterator[str]:
    yield "<h3>Object Lock, as the store reports it</h3>\n"
    if project.locks is None:
        yield "<p>The store has none, or does not say.</p>\n"
        return
    locked = [one.until for one in project.locks if one.until is not None]
    first = f", the first until {_moment(min(locked))}" if locked else ""
    yield f"<p>{len(locked)} of {counted(len(project.locks), 'object')} that were asked about are locked{first}.</p>\n"


def _keys(project: ProjectEvidence) -> Iterator[str]:
    yield "<h3>Who holds keys</h3>\n"
    if not project.keys:
        yield "<p>Nobody can say: the project has no grants.</p>\n"
        return
    rows = [
        (one["name"], one["rights"], one["state"], one["by"], one["at"], one["until"] or "", one["last_seen"] or "")
        for one in project.keys
    ]
    yield _table(("Name", "Rights", "State", "Granted by", "At", "Until", "Last seen"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = "".join(f"<th>{_text(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{_text(str(value or ''))}</td>" for value in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table>\n"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _text(value: str) -> str:
    """Safe in a page, whatever it holds."""
    return escape("".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in value))
