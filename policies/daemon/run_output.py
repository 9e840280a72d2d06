"""What runs have said, kept beside the run history: of each job the newest few, each bounded, readable by their owner alone.

The journal of systemd is not always there, and a message in the history is one sentence. Kept is what a run has printed for
people, then the problems and the damage that its document lists. Secrets are in neither; what looks like one goes all the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from blake3 import blake3
from msgspec import Struct

from policies.daemon.child_processes import ProcessResult
from vault.errors import StrongroomError

FOLDER = "run-output"
MOST_BYTES = 16 * 1024
"""Of one run: its end."""
MOST_RUNS = 20
"""Of one job."""
MOST_JOBS = 1000
MOST_PROBLEMS = 100

_SUFFIX = ".txt"
_LEFT_OUT = "… (what was said before is left out)"
_SECRETS = (
    (re.compile(r"AGE-SECRET-KEY-[0-9A-Za-z-]+", re.IGNORECASE), "[secret key]"),
    (re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE), r"\1[credentials]@"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "[access key]"),
    (re.compile(r"(?i)\b(pass(?:word|phrase)|secret|token|api[_-]?key)(\s*[=:]\s*)\S+"), r"\1\2[left out]"),
)


def without_secrets(text: str) -> str:
    """A text with what looks like a secret replaced."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def text_of(ended: ProcessResult) -> str:
    """What a run has said, in lines."""
    return without_secrets("\n".join([*ended.errors.splitlines(), *_listed(ended.document, set(ended.errors.splitlines()))]))


def _listed(document: dict[str, Any], known: set[str]) -> Iterator[str]:
    lines = [*_problems(document.get("snapshots")), *_damage(document.get("projects"))]
    for line in lines[:MOST_PROBLEMS]:
        if line not in known:
            yield line
    if len(lines) > MOST_PROBLEMS:
        yield f"… and {len(lines) - MOST_PROBLEMS} more"


def _problems(snapshots: object) -> Iterator[str]:
    for one in _tables(snapshots):
        for problem in _tables(one.get("problem_list")):
            yield f"{problem.get('path')}: {problem.get('message')}"
        error = one.get("error")
        if isinstance(error, dict):
            yield str(error.get("message"))


def _damage(projects: object) -> Iterator[str]:
    for one in _tables(projects):
        damage = one.get("damage")
        yield from (f"damaged: {line}" for line in damage if isinstance(line, str)) if isinstance(damage, list) else ()


def _tables(value: object) -> Iterable[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


class RunOutput(Struct, frozen=True):
    """folder: of the run history."""

    folder: Path

    def keep(self, project: str, job: str, run: str, text: str) -> None:
        """Keep what a run has said; the oldest ones of its job go. Raises `StrongroomError`."""
        if not text:
            return
        file = self._file(project, job, run)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(_bounded(text))
            new.replace(file)
            self._thin(file.parent)
        except OSError as error:
            raise StrongroomError(f"what {project}/{job} has said cannot be kept: {error.strerror}") from error

    def read(self, project: str, job: str, run: str) -> str | None:
        """What a run has said; None where nothing is kept of it."""
        try:
            with self._file(project, job, run).open("rb") as opened:
                return opened.read(MOST_BYTES + 1024).decode("utf-8", "replace")
        except OSError:
            return None

    def _file(self, project: str, job: str, run: str) -> Path:
        of_job = blake3(f"{project}\0{job}".encode("utf-8", "surrogatepass")).hexdigest(length=12)
        return self.folder / FOLDER / of_job / f"{Path(run).name}{_SUFFIX}"

    def _thin(self, folder: Path) -> None:
        for old in _newest(folder.glob(f"*{_SUFFIX}"))[MOST_RUNS:]:
            old.unlink(missing_ok=True)
        for gone in _newest(folder.parent.iterdir())[MOST_JOBS:]:  # jobs that were renamed or left the settings
            for file in gone.iterdir():
                file.unlink(missing_ok=True)
            with suppress(OSError):
                gone.rmdir()


def _bounded(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if len(data) <= MOST_BYTES:
        return data
    end = data[-MOST_BYTES:]
    return f"{_LEFT_OUT}\n".encode() + end[end.find(b"\n") + 1 :]


def _newest(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name), reverse=True)
