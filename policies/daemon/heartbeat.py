"""The daemon's sign of life, for `status`: what it writes about itself, again and again, into the file of its lock.

The file has one size and is written in place, so that a full disk does not stop it. That somebody has the lock says that a
daemon lives, whatever the file holds; a file that says that it has begun and not that it has ended, without a lock, that it was
killed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from policies.scheduling import run_history_file

SIZE = 4096
FRESH = timedelta(seconds=90)
"""An older sign of life is one of a daemon that does not move."""

State = Literal["running", "stuck", "killed", "ended", "none", "unknown"]


class Heartbeat(Struct, frozen=True):
    """state: `running`, `stuck` (it has the lock and shows no sign of life), `killed`, `ended` (in order), `none` (none has
    ever run here), `unknown` (this user may not see it) · since: when it began · seen: its last sign of life · once: it was to
    run what is due and end · failing: tasks of its own that failed then."""

    state: State
    since: datetime | None = None
    seen: datetime | None = None
    once: bool = False
    failing: tuple[Mapping[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "state": self.state,
            "since": self.since and self.since.isoformat(),
            "seen": self.seen and self.seen.isoformat(),
            "failing": [
                {"task": one.get("task", ""), "since": one.get("since"), "message": one.get("error", "")}
                for one in self.failing
            ],
        }


class HeartbeatWriter(Struct):
    """What writes it. started: when the daemon began · once: as above."""

    started: datetime
    once: bool = False
    failing: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def write(self, handle: int, now: datetime, *, ended: bool = False) -> None:
        """handle: of the lock. Raises `OSError`."""
        value: dict[str, Any] = {
            "since": self.started.isoformat(),
            "seen": now.isoformat(),
            "once": self.once,
            "ended": ended,
            "failing": list(self.failing),
        }
        while len(text := json.dumps(value).encode()) >= SIZE:
            value["failing"].pop()
        os.pwrite(handle, text.ljust(SIZE - 1) + b"\n", 0)


def read(history: Path, now: datetime) -> Heartbeat:
    """Of the daemon of this run history."""
    try:
        locked = run_history_file.is_locked(history)
        text = _text(run_history_file.lock_file(history))
    except OSError:
        return Heartbeat("unknown")
    try:
        value = json.loads(text)
        since, seen = (datetime.fromisoformat(value[name]) for name in ("since", "seen"))
        failing = tuple({str(name): str(word) for name, word in one.items()} for one in value["failing"])
        once, ended = bool(value["once"]), bool(value["ended"])
    except (ValueError, TypeError, KeyError, AttributeError):  # never written, or just being written
        return Heartbeat("running" if locked else "none")
    if locked:
        return Heartbeat("running" if once or now - seen < FRESH else "stuck", since, seen, once, failing)
    return Heartbeat("ended" if ended else "killed", since, seen, once, failing)


def _text(file: Path) -> bytes:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    try:
        return os.read(handle, SIZE)
    finally:
        os.close(handle)
