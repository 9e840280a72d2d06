"""Lengths of time, rules of retention, why snapshots stay, and what holds are on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from babel.dates import format_date, format_time
from markupsafe import Markup, escape

from console import vocabulary
from console.texts import marked

if TYPE_CHECKING:
    from console.texts import Texts
    from policies.retention.verdict import Reason
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
_HELD = re.compile(
    r"snapshot (?P<snapshot>\S+)|(?:kind (?P<kind>.+?)(?:, |$))?(?:period (?P<period>.+?)(?:, |$))?(?:path (?P<path>.+))?",
    re.DOTALL,
)
_FROZEN = re.compile(r"frozen by snapshot (\S+) (.+)", re.DOTALL)
_CONSOLE = " (console)"


class RetentionWords:
    """See this module's text. texts: of whoever reads."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

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

    def hold(self, reason: str) -> Markup:
        """Why a hold was placed: in somebody's words, or that a flagged snapshot waits, which the program says."""
        found = _FROZEN.fullmatch(reason)
        if found is None:
            return escape(reason)
        snapshot, more = found.groups()
        waits = self._texts.gettext("the snapshot %(name)s waits for acceptance", name=snapshot)
        return Markup('{}<br><span class="quiet" lang="en">{}</span>').format(waits, more)

    def person(self, name: str) -> str:
        """Who did it, with by what: `olena (console)`."""
        if not name.endswith(_CONSOLE):
            return name
        return f"{name.removesuffix(_CONSOLE)} ({self._console()})"

    def _console(self) -> str:
        return self._texts.gettext("console")

    def _label(self, label: str) -> str:
        """An hour, day, week, … as retention calls it."""
        found = _LABEL.fullmatch(label)
        if found is None:
            return self._texts.period(label)
        if found["week"] is not None:
            return self._texts.gettext("week %(week)s of %(year)s", week=found["week"].lstrip("0"), year=found["year"])
        day = str(format_date(date.fromisoformat(found["day"]), "medium", locale=self._texts.locale))
        return f"{day}, {self._time(time(int(found['hour'])))}" if found["hour"] else day

    def _time(self, moment: time) -> str:
        return str(format_time(moment, "short", locale=self._texts.locale))

    def _of(self, table: Mapping[str, str], code: str) -> str:
        found = table.get(code)
        return code if found is None else self._texts.gettext(found)


def _count(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)
