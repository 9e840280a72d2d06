"""What the settings say about retention, as frozen values.

    keep  = { last = 3, hourly = 48, daily = 30, weekly = 12, monthly = "all", yearly = 10, within = "90 days" }
    item_retention = { reports = "7 years after period", tickets = "5 years", raw = "90 days after deletion" }

A mistake is mostly found late. So everything younger than 90 days stays unless `within` says otherwise; without any `keep` a
snapshot a day stays for a year after that, and one a month for ever. Items stay for ever unless a rule is there for their
kind; and whatever its rule says about its period, an item that was deleted at the source stays for 90 days after that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Self

from msgspec import Struct

from policies.retention.calendar_span import CalendarSpan
from vault.errors import SettingsError

ALL: Final = 1 << 31
"""A count that nothing reaches; written "all"."""

UNDELETED: Final = CalendarSpan(90, "day")
"""For how long history stays whole where the settings do not say."""

_FOREVER = ("forever", "for ever", "always")
_RULE = re.compile(r"(?P<span>.+?)(?:\s+after\s+(?P<after>.+))?\Z", re.IGNORECASE | re.DOTALL)


class Keep(Struct, frozen=True):
    """Which snapshots of a source stay: any that one of these rules wants.

    last: so many newest ones · hourly … yearly: the newest good one of each of so many hours … years that have any ·
    within: all that are younger.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    quarterly: int = 0
    yearly: int = 0
    within: CalendarSpan = UNDELETED

    @classmethod
    def parse(cls, value: Mapping[str, object]) -> Keep:
        """From a table of the settings; an empty one gives `DEFAULT_KEEP`. Raises `SettingsError`."""
        if not value:
            return DEFAULT_KEEP
        names = list(cls.__struct_fields__)
        counts: dict[str, int] = {}
        within = UNDELETED
        for name, one in value.items():
            if name not in names:
                raise _unknown(name, names, "a rule for keeping snapshots")
            if name == "within":
                within = _span(one)
            else:
                counts[name] = _count(name, one)
        return cls(**counts, within=within)

    def counted(self) -> Iterator[tuple[str, int]]:
        """The rules that keep a number of snapshots or buckets, without those that keep none."""
        for name in self.__struct_fields__:
            count = getattr(self, name)
            if name != "within" and count:
                yield name, count

    def as_json(self) -> dict[str, int | str]:
        """As the settings have it; `parse` gives the same rules again."""
        return {**{name: written(count) for name, count in self.counted()}, "within": str(self.within)}


DEFAULT_KEEP: Final = Keep(daily=366, monthly=ALL)


class After(StrEnum):
    """What an item's time runs from."""

    PERIOD = "period"
    VANISHED = "vanished"
    SEEN = "seen"


_AFTER_WORDS: Final[dict[str, After]] = {
    **dict.fromkeys(("period", "its period", "the period", "the end of its period", "the end of the period"), After.PERIOD),
    **dict.fromkeys(("deletion", "it was deleted", "it vanished", "vanished"), After.VANISHED),
    **dict.fromkeys(("backup", "its backup", "it was seen", "seen"), After.SEEN),
}
_AFTER_TEXT: Final[dict[After, str]] = {After.PERIOD: "period", After.VANISHED: "deletion", After.SEEN: "backup"}


class ItemRule(Struct, frozen=True):
    """How long items of a kind are carried on once the source no longer has them.

    span: None for ever · after: the end of the period that the item is about (its modification time where no period is
    known), its deletion at the source, or the moment when this version of it was first backed up.
    """

    kind: str
    span: CalendarSpan | None = None
    after: After = After.PERIOD

    @classmethod
    def parse(cls, kind: str, text: str) -> Self:
        """From "7 years after period", "5 years", "90 days after deletion", "1 year after backup", "forever".
        Raises `SettingsError`."""
        if " ".join(text.lower().split()) in _FOREVER:
            return cls(kind)
        match = _RULE.match(text.strip())
        if match is None:
            raise SettingsError(f"the rule for {kind} is empty", hint="write '7 years after period', or 'forever'")
        words = " ".join((match["after"] or "period").lower().split())
        if words not in _AFTER_WORDS:
            raise _unknown(words, list(_AFTER_WORDS), "something that an item's time can run from")
        return cls(kind, CalendarSpan.parse(match["span"]), _AFTER_WORDS[words])

    def __str__(self) -> str:
        return "forever" if self.span is None else f"{self.span} after {_AFTER_TEXT[self.after]}"


class ItemRules(Struct, frozen=True):
    """The rules of a project, at most one a kind. undeleted: for how long after its deletion an item stays even where a
    rule about its period or its backup would let it go; a rule about its deletion means what it says."""

    rules: tuple[ItemRule, ...] = ()
    undeleted: CalendarSpan = UNDELETED

    @classmethod
    def parse(cls, value: Mapping[str, object], kinds: Sequence[str]) -> ItemRules:
        """From a table of the settings. kinds: those that the project has. Raises `SettingsError`."""
        for kind, text in value.items():
            if kind not in kinds:
                raise _unknown(kind, kinds, "a kind of this project")
            if not isinstance(text, str):
                raise SettingsError(f"the rule for {kind} must be a text", hint="write '7 years after period', or 'forever'")
        return cls(tuple(ItemRule.parse(kind, str(text)) for kind, text in value.items()))

    def of(self, kind: str) -> ItemRule:
        """The rule for a kind: for ever where there is none."""
        return next((rule for rule in self.rules if rule.kind == kind), ItemRule(kind))


def written(count: int) -> int | str:
    """A count as the settings have it."""
    return "all" if count >= ALL else count


def _count(name: str, value: object) -> int:
    if value == "all":
        return ALL
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < ALL:
        raise SettingsError(f"{name} must be a whole number that is not negative, or 'all', not {value!r}")
    return value


def _span(value: object) -> CalendarSpan:
    if not isinstance(value, str):
        raise SettingsError(f"within must be a duration, not {value!r}", hint="write a text such as '90 days'")
    return CalendarSpan.parse(value)


def _unknown(name: str, known: Sequence[str], what: str) -> SettingsError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    return SettingsError(f"{name!r} is not {what}", hint=hint)
