"""What the library says in fixed words and forms, in the language of whoever reads: entries of the log, schedules, spans of
time, why snapshots stay, how far copies are. In templates it is `words`.

    words.action("hold-add")            удержание установлено
    words.schedule(job)                 каждый час в :05

Each takes what the library gives, and never its English sentence where that has a value behind it. What it does not know it
shows as it is.

retention    lengths of time, rules of retention, why snapshots stay, holds
schedules    sources, jobs, when they run, what must appear

Here are the log, baskets, copies, erasing, errors and mails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from console import vocabulary
from console.access.rights import ACTION_TITLES, Action
from console.incidents import NUMBERED
from console.texts import DEFAULT, marked, with_code
from console.words.schedules import ScheduleWords
from vault.problems import printable

if TYPE_CHECKING:
    from strongroom.project_status import CopyStatus
    from strongroom.selection import Unmatched

DELETED: Mapping[str, str] = {
    "without": marked("there was no file in it"),
    "only": marked("nothing had vanished from it"),
    "with": marked("there was no file in it, and nothing had vanished from it"),
}
_COPY = re.compile(
    r"the copy '(?P<copy>[^']+)' has key objects of its own: erase it there afterwards with `(?P<command>[^`]+)`"
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_RULES_BY_NAME = frozenset(("keep", "item_retention"))
_RULES = _RULES_BY_NAME | {"before", "after"}
_INCIDENT = re.compile(re.escape(NUMBERED % {"number": "#"}).replace(r"\#", "([0-9a-f]+)"))
_BYTES = ("bytes", "max_bytes", "bytes_freed", "bytes_read", "read_bytes", "stored_bytes")
_MILLISECONDS = ("milliseconds", "whole_milliseconds")


class Words(ScheduleWords):
    """See this module's text. texts: of whoever reads."""

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

    def program(self, name: str) -> str:
        """What it was done by: `strongroom/1.0 console`."""
        face = " console"
        return f"{name.removesuffix(face)}, {self._console()}" if name.endswith(face) else name

    # baskets, copies, erasing

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

    # errors, mails

    def error(self, text: object) -> Markup:
        """A message or hint of an error: the console's own are translated; those of the library keep their English words, and
        say so. Commands in it are code."""
        said = str(text)
        found = self.sentence(said)
        shown = with_code(found)
        if found != said or self._texts.language == DEFAULT or not said:
            return shown
        return Markup('<span lang="en">{}</span>').format(shown)

    def sentence(self, text: str) -> str:
        """The same where there is no markup, as in a letter."""
        number = _INCIDENT.fullmatch(text)
        if number is not None:
            return self._texts.gettext(NUMBERED, number=number[1])
        return self._texts.gettext(text) if text else ""

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
