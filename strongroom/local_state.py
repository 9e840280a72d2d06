"""What this machine keeps of a repository, beside the repository: the run history of runs, and what they found out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import environment, notices, store_access
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from policies.monitoring.state_store import StateStore
    from strongroom.settings import Settings

LONGEST_MESSAGE = 2000
RUN_HISTORY, STATE_STORE, SETTINGS_IN_USE = "books.sqlite", "findings.sqlite", "settings-in-use.toml"
"""The names of the first version: a SQLite file that a daemon of before has open must not be renamed."""


def folder(settings: Settings) -> Path:
    """Of one repository: a folder of its own below the state folder, as two repositories may have projects of one name."""
    from blake3 import blake3

    state = settings.document.daemon.state or environment.state_folder()
    address = store_access.settings_address(settings)
    return state / blake3(f"{address.text} {settings.repository.endpoint or ''}".encode()).hexdigest(length=16)


def of_sources(settings: Settings, project: str) -> Path:
    """The folder of what sources of a project remember, each below its name. project: its name in the settings."""
    from blake3 import blake3

    return folder(settings) / "sources" / blake3(project.encode()).hexdigest(length=8)


def state_store(settings: Settings, report: Callable[[str], None] | None = None) -> StateStore:
    """Opened. report: hears that the file was damaged, deleted or replaced. Raises `StrongroomError`."""
    from policies.monitoring.state_store import StateStore

    return StateStore.open(folder(settings) / STATE_STORE, report)


def keep_settings(settings: Settings) -> Path:
    """Keep a copy of the settings as they were read, for the runs of the daemon. Raises `StrongroomError`."""
    file = folder(settings) / SETTINGS_IN_USE
    new = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)  # whatever it is: it may be a link, or a pipe
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(settings.text)
        new.replace(file)
    except OSError as error:
        raise StrongroomError(
            f"no copy of the settings can be kept in {file.parent}: {error.strerror}; runs read the file itself",
            hint="free some room, or correct the permissions of that folder",
        ) from error
    return file


@contextmanager
def noted(settings: Settings) -> Iterator[StateStore | None]:
    """For what a command has found out: that it cannot be noted is said, and is no failure of the command."""
    try:
        opened = state_store(settings)
    except StrongroomError as error:
        notices.warn(f"{error}")
        yield None
        return
    try:
        yield opened
    except StrongroomError as error:
        notices.warn(f"{error}")
    finally:
        opened.close()


def note_run(settings: Settings, project: str, job: str, error: StrongroomError | str | None = None) -> None:
    """How a run of a job ended, whoever started it: for `status`, and for the alerts that a clean run ends. error: what it
    ended with; a text where it did its work with problems; None where all is well."""
    if settings.first is not None:  # of a copy: the daemon's jobs are those of the repository
        settings, job = settings.of_repository(), f"{job} {settings.copy}"
    now = environment.services().clock.now()
    ending = "done" if error is None else "problems" if isinstance(error, str) else "failed"
    with noted(settings) as state_store:
        if state_store is not None:
            message = "" if error is None else str(error)[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()
            state_store.note(project, "run", job, now, {"ending": ending, "message": message})


def damaged_packs(settings: Settings, project: str) -> frozenset[bytes]:
    """The packs that a check of this machine has found to be damaged."""
    with noted(settings) as found:
        return frozenset() if found is None else found.damaged_packs(project)
