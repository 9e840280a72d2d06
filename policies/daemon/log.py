"""What the daemon says: lines for people, or a JSON document a line. It is a `Watcher` of the runner.

A line that cannot be written is counted and never an error: whoever logs has work to do. When there is room again, the next
line says how many are missing.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from policies.monitoring.alerts import Alert
from policies.scheduling.run import SUCCESSES, Run
from vault.clock import Clock
from vault.wording import counted


class Log:
    """write: takes a line, raises where it cannot · as_json: in that form. endings: how many runs ended how, by project, job
    and ending · lost: lines that could not be written, since `lost_since`, and were not reported yet."""

    def __init__(self, write: Callable[[str], None], clock: Clock, *, as_json: bool) -> None:
        self._write = write
        self._clock = clock
        self._as_json = as_json
        self._lock = threading.Lock()
        self.endings: Counter[tuple[str, str, str]] = Counter()
        self.lost = 0
        self.lost_since: datetime | None = None

    def started(self, run: Run) -> None:
        """A run has begun."""
        self.say("info", "started", f"{run.project}/{run.job}: started", **_facts(run))

    def ended(self, run: Run) -> None:
        """A run has ended, or its due times are passed over."""
        self.endings[run.project, run.job, run.ending or ""] += 1
        seconds = (run.ended - run.started).total_seconds() if run.ended else 0.0
        level = "info" if run.ending in (*SUCCESSES, "skipped", "stopped") else "error"
        text = f"{run.project}/{run.job}: {run.ending} after {seconds:.1f} s{': ' * bool(run.message)}{run.message}"
        more = {"ending": run.ending, "seconds": round(seconds, 3), "problems": run.problems, "message": run.message}
        self.say("warning" if run.ending == "problems" else level, "ended", text, **_facts(run), **more)

    def notice(self, text: str) -> None:
        """Something that a person should know."""
        self.say("warning", "notice", text)

    def info(self, text: str) -> None:
        """Something that is as it should be."""
        self.say("info", "notice", text)

    def firing(self, alert: Alert) -> None:
        """An alert begins to fire."""
        self.say(alert.severity, "firing", f"FIRING {alert.title}: {alert.message} ({alert.hint})", **alert.as_json())

    def resolved(self, key: tuple[str, str, str]) -> None:
        """An alert is resolved."""
        project, promise, subject = key
        title = f"{project}/{subject}" if subject else project
        self.say("info", "resolved", f"resolved {title}: {promise}", project=project, promise=promise, subject=subject)

    def say(self, level: str, event: str, text: str, **facts: object) -> None:
        """One line, from any thread; whatever a text holds, it stays one. Never raises."""
        now = self._clock.now()
        with self._lock:
            if self.lost and self._written(
                now, "warning", "notice", f"{counted(self.lost, 'line')} of this log could not be written"
            ):
                self.lost, self.lost_since = 0, None
            if self.lost or not self._written(now, level, event, text, **facts):
                self.lost, self.lost_since = self.lost + 1, self.lost_since or now

    @property
    def failing(self) -> tuple[dict[str, str], ...]:
        """For monitors and `status`: that it cannot be written."""
        if self.lost_since is None:
            return ()
        what = f"{counted(self.lost, 'line')} could not be written"
        return ({"task": "writing the log", "since": self.lost_since.isoformat(), "error": what},)

    def _written(self, now: datetime, level: str, event: str, text: str, **facts: object) -> bool:
        if self._as_json:
            line = {"at": now.isoformat(timespec="milliseconds"), "level": level, "event": event, "text": text, **facts}
            whole = json.dumps(line, ensure_ascii=False, default=str)
        else:
            whole = f"{now:%Y-%m-%dT%H:%M:%SZ} {level:8} {' '.join(text.split())}"
        try:
            self._write(whole)
        except Exception:  # noqa: BLE001 (a full disk, a reader that is gone: it is counted, and reported later)
            return False
        return True


def _facts(run: Run) -> dict[str, object]:
    return {"project": run.project, "job": run.job, "run": run.id, "planned": run.planned.isoformat(), "attempt": run.attempt}
