"""What the library says in fixed words and forms, in the language of whoever reads: entries of the log, schedules, spans of
time, why snapshots stay, how far copies are. In templates it is `words`.

    words.action("hold-add")            удержание установлено
    words.schedule(job)                 каждый час в :05

Each takes what the library gives, and never its English sentence where that has a value behind it. What it does not know it
shows as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from babel.dates import format_date, format_skeleton, format_time, get_day_names
from markupsafe import Markup, escape

from console import vocabulary
from console.access.rights import ACTION_TITLES, Action
from console.incidents import NUMBERED
from console.texts import DEFAULT, marked, with_code
from vault.problems import printable

if TYPE_CHECKING:
    from console.texts import Texts
    from policies.retention.verdict import Reason
    from policies.scheduling.rules import Calendar, Cron, Interval, OnRequest
    from strongroom.daemon_jobs import DaemonJob
    from strongroom.project_status import CopyStatus
    from strongroom.selection import Unmatched
    from strongroom.settings.projects import Expectation
    from vault.format.hold import Scope

Form = Callable[["Texts", int], str]

SPANS: Mapping[str, Form] = {
    "second": lambda texts, number: texts.ngettext("%(num)s second", "%(num)s seconds", number),
    "minute": lambda texts, number: texts.ngettext("%(num)s minute", "%(num)s minutes", number),
    "hour": lambda texts, number: texts.ngettext("%(num)s hour", "%(num)s hours", number),
    "day": lambda texts, number: texts.ngettext("%(num)s day", "%(num)s days", number),
    "week": lambda texts, number: texts.ngettext("%(num)s week", "%(num)s weeks", number),
    "month": lambda texts, number: texts.ngettext("%(num)s month", "%(num)s months", number),
    "quarter": lambda texts, number: texts.ngettext("%(num)s quarter", "%(num)s quarters", number),
    "year": lambda texts, number: texts.ngettext("%(num)s year", "%(num)s years", number),
}
EVERY: Mapping[str, Form] = {
    "hour": lambda texts, number: texts.ngettext("every %(num)s hour", "every %(num)s hours", number),
    "minute": lambda texts, number: texts.ngettext("every %(num)s minute", "every %(num)s minutes", number),
}
OLDER: Mapping[str, Form] = {
    "last": lambda texts, number: texts.ngettext("not the newest", "not of the newest %(num)s", number),
    "hourly": lambda texts, number: texts.ngettext("not of the newest hour", "not of the newest %(num)s hours", number),
    "daily": lambda texts, number: texts.ngettext("not of the newest day", "not of the newest %(num)s days", number),
    "weekly": lambda texts, number: texts.ngettext("not of the newest week", "not of the newest %(num)s weeks", number),
    "monthly": lambda texts, number: texts.ngettext("not of the newest month", "not of the newest %(num)s months", number),
    "quarterly": lambda texts, number: texts.ngettext(
        "not of the newest quarter", "not of the newest %(num)s quarters", number
    ),
    "yearly": lambda texts, number: texts.ngettext("not of the newest year", "not of the newest %(num)s years", number),
}
AFTER: Mapping[str, str] = {
    "period": marked("%(span)s after the end of its period"),
    "deletion": marked("%(span)s after its deletion"),
    "backup": marked("%(span)s after its first backup"),
}
DELETED: Mapping[str, str] = {
    "without": marked("there was no file in it"),
    "only": marked("nothing had vanished from it"),
    "with": marked("there was no file in it, and nothing had vanished from it"),
}
WHY: Mapping[str, str] = {
    "frozen": marked("nothing of the project is forgotten while a snapshot waits for acceptance"),
    "newest-good": marked("the newest good snapshot"),
    "newest": marked("the newest snapshot; none of its source is good"),
    "current": marked("the current state of its source"),
}
_SPAN = re.compile(r"\s*(?:(\d{1,9})\s*)?([a-z]+?)s?\s*", re.IGNORECASE | re.ASCII)
_RULE = re.compile(r"(?P<span>.+) after (?P<after>period|deletion|backup)")
_SHORTER = re.compile(
    r"(?:(?P<rule>\w+)|items of (?P<kind>.+) that were deleted): (?P<was>.+) before, (?P<now>.+) then", re.DOTALL
)
_LABEL = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(?: (?P<hour>\d\d)h(?P<again> \(again\))?)?|(?P<year>\d{4})-W(?P<week>\d\d)")
_COPY = re.compile(
    r"the copy '(?P<copy>[^']+)' has key objects of its own: erase it there afterwards with `(?P<command>[^`]+)`"
)
_HELD = re.compile(
    r"snapshot (?P<snapshot>\S+)|(?:kind (?P<kind>.+?)(?:, |$))?(?:period (?P<period>.+?)(?:, |$))?(?:path (?P<path>.+))?",
    re.DOTALL,
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_RULES_BY_NAME = frozenset(("keep", "item_retention"))
_RULES = _RULES_BY_NAME | {"before", "after"}
_FROZEN = re.compile(r"frozen by snapshot (\S+) (.+)", re.DOTALL)
_INCIDENT = re.compile(re.escape(NUMBERED % {"number": "#"}).replace(r"\#", "([0-9a-f]+)"))
_CONSOLE = " (console)"
_BYTES = ("bytes", "max_bytes", "bytes_freed", "bytes_read", "read_bytes", "stored_bytes")
_MILLISECONDS = ("milliseconds", "whole_milliseconds")


class Words:
    """See this module's text. texts: of whoever reads."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    # the log

    def action(self, code: str) -> str:
        """What was done."""
        return self._of(vocabulary.LOG_ACTIONS, code)

    def result(self, code: str) -> str:
        """What came of it."""
        return self._of(vocabulary.RESULTS, code)

    def fact(self, key: str) -> str:
        """The name of something that an entry says, or counts."""
        return self._of(vocabulary.FACTS, key)

    def value(self, key: str, value: Any) -> str:  # noqa: ANN401 (what JSON holds)
        """What an entry says under a key."""
        if key in _RULES and isinstance(value, str) and value.startswith("{"):
            value = json.loads(value)
        match value:
            case bool():
                return self._texts.gettext("yes") if value else self._texts.gettext("no")
            case int() | float():
                return self.count(key, value)
            case list():
                return ", ".join(self.value(key, one) for one in value)
            case dict() if value.keys() == _RULES_BY_NAME:
                return "; ".join(self.rules(value))
            case dict():
                said = ((name, own) for name, own in value.items() if own not in (None, "", [], {}))
                return "; ".join(f"{self._named(key, name)}: {self._valued(key, name, own)}" for name, own in said)
        return self._text(key, str(value))

    def _text(self, key: str, text: str) -> str:
        if _MOMENT.fullmatch(text):
            return self._texts.moment(datetime.fromisoformat(text))
        if key == "approved_action" and text in set(Action):
            return self._texts.gettext(ACTION_TITLES[Action(text)])
        if key == "on":
            return self.held(text)
        if key == "shorter":
            return self.shorter(text)
        return self._of(vocabulary.WORDS, text) if key in vocabulary.VALUES else text

    def asked(self, facts: Mapping[str, Any]) -> str:
        """What a bag was asked for: a selection of items, or a period."""
        return self.value("selection", facts.get("selection") or facts) or self._texts.gettext("everything")

    def actions(self, codes: Iterable[str]) -> list[tuple[str, str]]:
        """Actions with their names, in the order of these."""
        return sorted(((code, self.action(code)) for code in codes), key=lambda one: one[1].casefold())

    def count(self, key: str, number: float) -> str:
        """A number that an entry has under a key."""
        if key in _BYTES:
            return self._texts.size(int(number))
        return self._texts.milliseconds(number) if key in _MILLISECONDS else self._texts.number(number)

    def _valued(self, above: str, name: str, value: Any) -> str:  # noqa: ANN401
        if above == "keep":
            return self.keep(name, value)
        return self.item_rule(value) if above == "item_retention" else self.value(name, value)

    def _named(self, above: str, name: str) -> str:
        """A key within another one: kinds have names of their own."""
        if above == "item_retention":
            return name
        return self._of(vocabulary.KEEP, name) if above == "keep" else self.fact(name)

    def person(self, name: str) -> str:
        """Who did it, with by what: `olena (console)`."""
        if not name.endswith(_CONSOLE):
            return name
        return f"{name.removesuffix(_CONSOLE)} ({self._console()})"

    def program(self, name: str) -> str:
        """What it was done by: `strongroom/1.0 console`."""
        face = " console"
        return f"{name.removesuffix(face)}, {self._console()}" if name.endswith(face) else name

    def hold(self, reason: str) -> Markup:
        """Why a hold was placed: in somebody's words, or that a flagged snapshot waits, which the program says."""
        found = _FROZEN.fullmatch(reason)
        if found is None:
            return escape(reason)
        snapshot, more = found.groups()
        waits = self._texts.gettext("the snapshot %(name)s waits for acceptance", name=snapshot)
        return Markup('{}<br><span class="quiet" lang="en">{}</span>').format(waits, more)

    def _console(self) -> str:
        return self._texts.gettext("console")

    # sources, jobs and schedules

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

    def _time(self, moment: time) -> str:
        return str(format_time(moment, "short", locale=self._texts.locale))

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

    # lengths of time, retention

    def span(self, text: str) -> str:
        """A length of time as settings have it: `90 days`."""
        found = _SPAN.fullmatch(text)
        form = SPANS.get(found[2].lower()) if found is not None else None
        return text if found is None or form is None else form(self._texts, int(found[1] or 1))

    def item_rule(self, text: str) -> str:
        """How long deleted items stay, as settings have it: `7 years after period`."""
        if text == "forever":
            return self._texts.gettext("for ever")
        found = _RULE.fullmatch(text)
        return text if found is None else self._texts.gettext(AFTER[found["after"]], span=self.span(found["span"]))

    def keep(self, name: str, value: int | str) -> str:
        """How much a rule keeps."""
        if name == "within":
            return self.span(str(value))
        if value == "all":
            return self._texts.gettext("all of them")
        return self._texts.number(value) if isinstance(value, int) else value

    def rules(self, what: Mapping[str, Any]) -> list[str]:
        """All rules that there are. what: `keep` and `item_retention` as JSON; either may be missing, or None."""
        keep, items = what.get("keep") or {}, what.get("item_retention") or {}
        kept = [f"{self._of(vocabulary.KEEP, name)}: {self.keep(name, value)}" for name, value in keep.items()]
        return kept + [f"{kind}: {self.item_rule(rule)}" for kind, rule in items.items()]

    def shorter(self, line: str) -> str:
        """What other rules keep for less time, as `strongroom.retention_settings` says it."""
        _, found = self._texts.gettext, _SHORTER.fullmatch(line)
        if found is None:
            return line
        if found["kind"] is not None:
            was, now = self.item_rule(found["was"]), self.item_rule(found["now"])
            return _("deleted items of %(kind)s: %(was)s before, %(now)s then", kind=found["kind"], was=was, now=now)
        name = found["rule"]
        was, now = (self.keep(name, int(one) if one.isdigit() else one) for one in (found["was"], found["now"]))
        return _("%(rule)s: %(was)s before, %(now)s then", rule=self._of(vocabulary.KEEP, name), was=was, now=now)

    def why(self, reason: Reason) -> str:
        """Why a snapshot stays, or why a rule passes it by."""
        _, values = self._texts.gettext, reason.values
        rule = self._of(vocabulary.KEEP, reason.rule)
        match reason.sort, values:
            case "one-of", (label, rank, count):
                of = f" ({self._label(str(label))})" if label else ""
                return _(
                    "%(rule)s%(of)s: number %(rank)s of %(count)s",
                    rule=rule, of=of, rank=self._texts.number(int(str(rank))), count=self.keep(reason.rule, _count(count)),
                )  # fmt: skip
            case "another", (label,):
                return _("%(rule)s: another of %(of)s stands for it", rule=rule, of=self._label(str(label)))
            case "older", (count,):
                return f"{rule}: {OLDER[reason.rule](self._texts, int(str(count)))}"
            case "too-old", (span,):
                return _("older than %(span)s", span=self.span(str(span)))
            case "young", (span,):
                return _("younger than %(span)s", span=self.span(str(span)))
            case "future", (moment,) if isinstance(moment, datetime):
                return _("dated in the future (%(when)s): it takes no other's place", when=self._texts.moment(moment))
            case "held", (why, _) if _FROZEN.fullmatch(str(why)):
                return self._texts.gettext(WHY["frozen"])
            case "held", (why, who):
                return _("held: %(why)s (by %(who)s)", why=why, who=self.person(str(who)))
        return _(WHY[reason.sort]) if reason.sort in WHY else reason.text

    def _label(self, label: str) -> str:
        """An hour, day, week, … as retention calls it."""
        found = _LABEL.fullmatch(label)
        if found is None:
            return self._texts.period(label)
        if found["week"] is not None:
            return self._texts.gettext("week %(week)s of %(year)s", week=found["week"].lstrip("0"), year=found["year"])
        day = str(format_date(date.fromisoformat(found["day"]), "medium", locale=self._texts.locale))
        return f"{day}, {self._time(time(int(found['hour'])))}" if found["hour"] else day

    # baskets, holds, copies, erasing

    def unmatched(self, one: Unmatched) -> str:
        """What was picked, and is not there."""
        _ = self._texts.gettext
        name = printable(one.name)
        if one.sort == "item":
            return _("the file %(name)s", name=name)
        if one.sort == "period":
            said = _("the period %(name)s", name=self._texts.period(name))
            kind = _("kind %(name)s", name=one.kinds[0]) if one.kinds else ""
            said = f"{said}, {kind}" if kind else said
        else:
            said = _("the folder %(name)s", name=name) if name else _("the whole project")
        why = _(DELETED[one.deleted])
        return f"{said}: {why}"

    def at(self, text: str) -> str:
        """A moment of a basket: as ISO 8601, or as a person or snapshot has it."""
        return self._texts.moment(datetime.fromisoformat(text)) if _MOMENT.fullmatch(text) else text

    def scope(self, scope: Scope) -> str:
        """What a hold is on."""
        return self.held(scope.as_text())

    def held(self, text: str) -> str:
        """The same, as it was written down: `kind reports, period 2024-05`."""
        _ = self._texts.gettext
        if text == "the whole project":
            return _("the whole project")
        found = _HELD.fullmatch(text)
        if found is None:
            return text
        period = found["period"] and self._texts.period(found["period"])
        parts = (
            found["snapshot"] and _("snapshot %(name)s", name=found["snapshot"]),
            found["kind"] and _("kind %(name)s", name=found["kind"]),
            period and _("period %(name)s", name=period),
            found["path"] and _("path %(name)s", name=found["path"]),
        )
        return ", ".join(one for one in parts if one) or text

    def copy(self, one: CopyStatus) -> str:
        """How far a copy of the repository is; why its store is not reached is another sentence."""
        _, known = self._texts.gettext, self._copy_known(one)
        if one.unreached is None:
            return known
        if one.lacking is None and one.until is None:
            return _("not reached")
        return _("not reached; as far as known: %(known)s", known=known)

    def _copy_known(self, one: CopyStatus) -> str:
        _ = self._texts.gettext
        if one.lacking is None:
            return _("not known") if one.until is None else _("complete up to %(when)s", when=self._texts.moment(one.until))
        if not one.lacking:
            return _("up to date")
        return self._texts.ngettext(
            "lacks %(num)s snapshot, taken %(ago)s",
            "lacks %(num)s snapshots, the oldest taken %(ago)s",
            one.lacking,
            ago=self._texts.ago(one.now - one.behind, one.now),
        )

    def out_of_reach(self, sentence: str) -> str:
        """What erasing cannot delete."""
        found = _COPY.fullmatch(sentence)
        if found is not None:
            return self._texts.gettext(
                "the copy %(name)s has keys of its own: erase it there afterwards with `%(command)s`",
                name=found["copy"], command=found["command"],
            )  # fmt: skip
        return self._texts.gettext(sentence)

    def error(self, text: object) -> Markup:
        """A message or hint of an error: the console's own are translated; those of the library keep their English words, and
        say so. Commands in it are code."""
        said = str(text)
        number = _INCIDENT.fullmatch(said)
        found = self._texts.gettext(NUMBERED, number=number[1]) if number else self._texts.gettext(said) if said else ""
        shown = with_code(found)
        if found != said or self._texts.language == DEFAULT or not said:
            return shown
        return Markup('<span lang="en">{}</span>').format(shown)

    def header(self, name: str) -> str:
        """A header of a mail."""
        return self._of(vocabulary.MAIL_HEADERS, name)

    def header_value(self, name: str, value: str) -> str:
        """Its value: a date as this language writes it, where it is one."""
        if name != "Date":
            return value
        try:
            return self._texts.moment(parsedate_to_datetime(value))
        except (ValueError, TypeError, OverflowError):
            return value

    def _of(self, table: Mapping[str, str], code: str) -> str:
        found = table.get(code)
        return code if found is None else self._texts.gettext(found)


def _count(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)
