"""What this machine keeps of a repository, beside the repository: the books of runs, and what they found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli import environment, output, workplace
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from cli.settings import Settings
    from policies.promises.findings import Findings

LONGEST_MESSAGE = 2000
BOOKS, FINDINGS = "books.sqlite", "findings.sqlite"


def folder(settings: Settings) -> Path:
    """Of one repository: a folder of its own below the state folder, as two repositories may have projects of one name."""
    from blake3 import blake3

    state = settings.document.daemon.state or environment.state_folder()
    address = workplace.located(settings.repository.address, settings.file.absolute().parent)
    return state / blake3(f"{address.text} {settings.repository.endpoint or ''}".encode()).hexdigest(length=16)


def findings(settings: Settings, tell: Callable[[str], None] | None = None) -> Findings:
    """Opened. tell: hears that the file was damaged, deleted or replaced. Raises `StrongroomError`."""
    from policies.promises.findings import Findings

    return Findings.open(folder(settings) / FINDINGS, tell)


@contextmanager
def noted(settings: Settings) -> Iterator[Findings | None]:
    """For what a command has found out: that it cannot be noted is said, and is no failure of the command."""
    try:
        opened = findings(settings)
    except StrongroomError as error:
        output.notice(f"warning: {error}")
        yield None
        return
    try:
        yield opened
    except StrongroomError as error:
        output.notice(f"warning: {error}")
    finally:
        opened.close()


def note_run(settings: Settings, project: str, job: str, error: StrongroomError | str | None = None) -> None:
    """How a run of a job ended, whoever started it: for `status`, and for the alarms that a clean run ends. error: what it
    ended with; a text where it did its work with problems; None where all is well."""
    now = workplace.services().clock.now()
    ending = "done" if error is None else "problems" if isinstance(error, str) else "failed"
    with noted(settings) as findings:
        if findings is not None:
            message = "" if error is None else str(error)[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()
            findings.note(project, "run", job, now, {"ending": ending, "message": message})
