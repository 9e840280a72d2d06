"""A status as one page of HTML for people who open no terminal: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.environment import services
from vault import wording
from vault.errors import TargetError

if TYPE_CHECKING:
    from strongroom.project_status import ProjectStatus, SourceStatus
    from strongroom.status import RepositoryStatus

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto;
       padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.3rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.verdict { padding: 1rem 1.2rem; border-left: .5rem solid; border-radius: .2rem; font-size: 1.15rem }
.ok { border-color: #1a7f37; background: #edf8f0 } .warning { border-color: #b26a00; background: #fff6e5 }
.critical { border-color: #b3261e; background: #fdeceb }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #ddd }
li { margin-bottom: .6rem } footer { margin-top: 2rem; color: #555; font-size: .85rem }
""".strip()

_LEVELS = {"ok": "All is well", "warning": "Needs attention", "critical": "Critical"}


def page(status: RepositoryStatus) -> str:
    """The whole page."""
    verdict = status.verdict
    level = "critical" if status.error is not None else verdict.level
    asked = f"Repository {status.repository or 'not reached'} at {status.address}; as of {wording.moment(status.at)}."
    body = [
        "<h1>Backups</h1>",
        f'<p class="verdict {level}"><strong>{_LEVELS[level]}.</strong> {escape(verdict.text)}</p>',
        *_problems(status),
        "<h2>Sources</h2>",
        *_table(
            ["Project", "Source", "State", "Last backup", "Age", "Promised", "Next run", "Items"],
            [_source_cells(row) for row in status.sources],
        ),
        "<h2>Restore tests and checks</h2>",
        *_table(
            ["Project", "Last restore test", "Result", "A whole restore takes", "Read and checked", "Retention"],
            [_project_cells(one) for one in status.projects],
        ),
        *_copies(status),
        f"<footer>{escape(asked)}</footer>",
    ]
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Backups: {escape(_LEVELS[level])}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
    )
    return head + "<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"


def _problems(status: RepositoryStatus) -> Iterator[str]:
    found = [(str(one.severity), one.title, one.message, one.hint) for one in status.problems]
    found += [("reminder", one.title, one.message, one.hint) for one in status.reminders]
    if status.error is not None:
        found.insert(0, ("critical", status.address, str(status.error), status.error.hint or ""))
    if not found:
        return
    yield "<h2>What is wrong, and what to do</h2>\n<ul>"
    for severity, title, message, hint in found:
        what_to_do = f"<br>What to do: {escape(hint)}" if hint else ""
        yield f"<li><strong>{escape(severity)}: {escape(title)}</strong>: {escape(message)}{what_to_do}</li>"
    yield "</ul>"


def _copies(status: RepositoryStatus) -> Iterator[str]:
    rows = [(one.project, copy.copy, copy.in_words()) for one in status.projects for copy in one.copies]
    if rows:
        yield "<h2>Second copies</h2>"
        yield from _table(["Project", "Copy", "State"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"<table>\n<thead><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr></thead>\n<tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody>\n</table>"


def _source_cells(row: SourceStatus) -> list[str]:
    return [
        row.project,
        row.source,
        row.state,
        wording.moment(row.taken_at) if row.taken_at else "-",
        wording.duration(row.age.total_seconds()) if row.age is not None else "-",
        wording.duration(row.rpo.total_seconds()) if row.rpo is not None else "-",
        wording.moment(row.next_run) if row.next_run else "-",
        f"{row.items:,}".replace(",", " ") if row.items is not None else "-",
    ]


def _project_cells(one: ProjectStatus) -> list[str]:
    drill = one.drill
    return [
        one.project,
        wording.moment(drill.at) if drill else "none",
        ("passed" if drill.passed else f"FAILED: {drill.trouble}") if drill else "-",
        f"about {wording.duration(drill.recovery.total_seconds())}" if drill and drill.recovery is not None else "-",
        one.checks.in_words() if one.checks else "-",
        "frozen" if one.frozen else "goes on",
    ]


def write_page(status: RepositoryStatus, file: Path) -> None:
    """Write the page, or replace the one that is there, at once. Raises `TargetError`."""
    half = file.with_name(f".{file.name}.{services().randomness.token(4).hex()}")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "w", encoding="utf-8") as out:
            out.write(page(status))
            out.flush()
            os.fsync(out.fileno())
        half.replace(file)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise TargetError(f"{file} cannot be written: {error.strerror}", hint="name a file in a folder that exists") from error
