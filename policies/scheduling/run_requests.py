"""What a person asks to run now, as files beside the run history: whoever has the history's lock starts it.

A request has the id that its run will have, so that whoever asked finds it in the history. It is taken away when the run
starts, or by its owner; that of a process that has ended asks for nothing any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from policies.scheduling import process_identity
from vault.errors import StrongroomError

FOLDER = "requests"
LARGEST = 4096
MOST = 100
"""Requests that are looked at in one round."""

_SUFFIX = ".json"
_ID = frozenset("0123456789abcdef")


class RunRequest(Struct, frozen=True):
    """id: of the run that it asks for · process: who asks, see `process_identity`."""

    id: str
    project: str
    job: str
    process: str


class RunRequests(Struct, frozen=True):
    """folder: of the run history."""

    folder: Path

    def ask(self, run: str, project: str, job: str) -> RunRequest:
        """Ask for a run. run: its id, 16 hex digits. Raises `StrongroomError`."""
        request = RunRequest(run, project, job, process_identity.marker())
        file = self._file(run)
        new = file.with_suffix(".new")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(asdict(request), out)
            new.replace(file)
        except OSError as error:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise StrongroomError(
                f"the run cannot be asked for in {file.parent}: {error.strerror}",
                hint="run this as the user that the daemon runs as, with room for a small file",
            ) from error
        return request

    def pending(self) -> Mapping[tuple[str, str], RunRequest]:
        """The first request for each job, by project and name; what is no request, or nobody's any more, is taken away."""
        found: dict[tuple[str, str], RunRequest] = {}
        with suppress(OSError):
            for file in sorted((self.folder / FOLDER).glob(f"*{_SUFFIX}"))[:MOST]:
                request = _read(file)
                if request is None or not process_identity.is_alive(request.process):
                    with suppress(OSError):
                        file.unlink()
                else:
                    found.setdefault((request.project, request.job), request)
        return found

    def is_pending(self, run: str) -> bool:
        """Whether nobody has started it yet."""
        return self._file(run).exists()

    def withdraw(self, run: str) -> None:
        """It has started, or is not wanted any more."""
        with suppress(OSError):
            self._file(run).unlink(missing_ok=True)

    def _file(self, run: str) -> Path:
        return self.folder / FOLDER / f"{run}{_SUFFIX}"


def _read(file: Path) -> RunRequest | None:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as opened:
            value = json.loads(opened.read(LARGEST))
        request = RunRequest(**{name: value[name] for name in RunRequest.__struct_fields__})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = all(isinstance(getattr(request, name), str) for name in RunRequest.__struct_fields__)
    return request if texts and request.id == file.stem and request.id and set(request.id) <= _ID else None
