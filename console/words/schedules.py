"""Sources, jobs of the daemon with when they run and how they ended, and what must appear in a source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from babel.dates import format_skeleton, get_day_names

from console import vocabulary
from console.words.retention import Form, RetentionWords

if TYPE_CHECKING:
    from policies.scheduling.rules import Calendar, Cron, Interval, OnRequest
    from strongroom.daemon_jobs import DaemonJob
    from strongroom.settings.projects import Expectation

EVERY: Mapping[str, Form] = {
    "hour": lambda texts, number: texts.ngettext("every %(num)s hour", "every %(num)s hours", number),
    "minute": lambda texts, number: texts.ngettext("every %(num)s minute", "every %(num)s minutes", number),
}


class ScheduleWords(RetentionWords):
    """See this module's text."""

    def state(self, code: str) -> str:
        """How a source is; what is damaged or gone is said in the library's words."""
        return self._of(vocabulary.STATES, code)

    def job(self, name: str) -> str:
        """A job by its name in the history of runs: `backup reports`."""
        kind, _, about = name.partition(" ")
        return f"{self._of(vocabulary.JOBS, kind)} {about}".strip()

    def ending(self, code: str) -> str:
        """How a run ended."""
        return self._of(vocabulary.ENDINGS, code)

    def schedule(self, job: DaemonJob) -> str:
        """When a job runs."""
        from policies.scheduling.rules import OnRequest

        clock = "" if isinstance(job.rule, OnRequest) else self.rule(job.rule)
        said = [one for one in (clock, self._texts.gettext("after backups") if job.after_backup else "") if one]
        return ", ".join(said)

    def rule(self, rule: Interval | Calendar | Cron | OnRequest) -> str:
        """When something is due by the clock."""
        from policies.scheduling.rules import Cron, Interval, OnRequest

        _ = self._texts.gettext
        if isinstance(rule, Cron):
            return f"cron {rule.expression}"
        if isinstance(rule, OnRequest):
            return _("on request")
        if isinstance(rule, Interval):
            every = self._every(rule.every)
            minutes = rule.offset // timedelta(minutes=1)
            return _("%(every)s, at :%(minutes)s", every=every, minutes=f"{minutes:02}") if minutes else every
        times = self._texts.joined([self._time(one) for one in rule.times])
        return _("%(days)s at %(times)s", days=self._days(rule), times=times)

    def _every(self, every: timedelta) -> str:
        hours, rest = divmod(every, timedelta(hours=1))
        minutes = every // timedelta(minutes=1)
        if not rest:
            return self._texts.gettext("every hour") if hours == 1 else EVERY["hour"](self._texts, hours)
        return self._texts.gettext("every minute") if minutes == 1 else EVERY["minute"](self._texts, minutes)

    def _days(self, rule: Calendar) -> str:
        from policies.scheduling.rules import EVERY_DAY, LAST, MONTHS, QUARTER_ENDS, WORKING_DAYS, Weekdays

        _, days = self._texts.gettext, rule.days
        if isinstance(days, Weekdays):
            if days.days == EVERY_DAY:
                return _("every day")
            if days.days == WORKING_DAYS:
                return _("on working days")
            names = get_day_names("abbreviated", "stand-alone", locale=self._texts.locale)
            return _("weekly: %(days)s", days=", ".join(names[day] for day in sorted(days.days)))
        if len(days.months) == 1:
            day = format_skeleton("MMMMd", date(2024, days.months[0], days.days[0]), locale=self._texts.locale)
            return _("every year: %(days)s", days=day)
        shown = ", ".join(_("the last day") if day == LAST else self._texts.number(day) for day in days.days)
        if days.months == MONTHS:
            return _("every month: %(days)s", days=shown)
        if days.months == QUARTER_ENDS:
            return _("every quarter, in its last month: %(days)s", days=shown)
        return _("every quarter: %(days)s", days=shown)

    def expectation(self, one: Expectation) -> str:
        """What must appear in a source."""
        _ = self._texts.gettext
        grace = self.span(one.grace)
        every = _(vocabulary.EVERY[one.every])
        if one.column is not None:
            return _(
                "%(path)s: %(every)s a row by %(column)s, at most %(grace)s late",
                path=one.path, every=every, column=one.column, grace=grace,
            )  # fmt: skip
        return _("%(path)s: %(every)s, at most %(grace)s late", path=one.path, every=every, grace=grace)
