"""Promises are judged again and again; what breaks is told once, and once more when it is mended.

Which alarms stand is kept in the findings, together with the letters that tell of it: a restart neither repeats nor loses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from policies.daemon.known import Runs, state_of
from policies.daemon.log import Log
from policies.daemon.plan import ProjectPlan
from policies.notify.message import Line, Message
from policies.notify.post import Post
from policies.promises.findings import Findings
from policies.promises.judge import Alarm, ProjectState, judge


class Watch:
    """host: this machine's name, for the letters."""

    def __init__(self, findings: Findings, runs: Runs, post: Post, log: Log, host: str) -> None:
        self._findings = findings
        self._runs = runs
        self._post = post
        self._log = log
        self._host = host
        self.states: tuple[ProjectState, ...] = ()
        self.alarms: tuple[Alarm, ...] = ()

    def look(self, projects: Sequence[ProjectPlan], now: datetime) -> None:
        """Judge all promises, and tell what is new. Raises `StrongroomError` of books and findings."""
        self.states = tuple(state_of(plan, self._runs, self._findings, now) for plan in projects)
        self.alarms = tuple(alarm for state in self.states for alarm in judge(state, now))
        standing = self._findings.alarms()
        broken = [alarm for alarm in self.alarms if alarm.key not in standing]
        over = sorted(standing.keys() - {alarm.key for alarm in self.alarms})
        if not broken and not over:
            return
        mended = [Line(_title(key), key[1], self._findings.message_of(key)) for key in over]
        lines = [Line(alarm.title, alarm.promise, alarm.message, alarm.hint) for alarm in broken]
        letters = self._post.letters(Message(self._host, now, tuple(lines), tuple(mended)))
        begun = [(*alarm.key, now, alarm.message, alarm.hint) for alarm in broken]
        self._findings.change_alarms(begun, over, letters, now)
        for alarm in broken:
            self._log.broken(alarm)
        for key in over:
            self._log.mended(key)


def _title(key: tuple[str, str, str]) -> str:
    project, _, subject = key
    return f"{project}/{subject}" if subject else project
