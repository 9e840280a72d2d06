"""Other rules of retention for a project, in the settings: what they would let go, whether anything is kept for less time, and
writing them.

wanted = read_rules(context, "acme", {"daily": "30", "within": "90 days"}, {"reports": "7 years"})
planned = plan_rules(context, project, wanted)
planned.shorter                                     empty where everything is kept at least as long as before
change_rules(context, project, planned, reason="contract 17")

The settings file is replaced at once and keeps its comments; what comes out of it is read again before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log, settings_copy
from strongroom.retention import plan_retention
from strongroom.settings import resolve, toml_edits
from strongroom.settings.edit import SettingsFile
from vault.errors import RefusedByRule, SettingsError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from policies.retention.calendar_span import CalendarSpan
    from policies.retention.rules import ItemRule, Keep
    from strongroom.context import Context
    from strongroom.retention import ProjectRetention
    from vault.repository.project import Project

COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly")

_FEWEST = {"hour": 1.0, "day": 23.0, "week": 167.0, "month": 671.0, "quarter": 2159.0, "year": 8759.0}
_MOST = {"hour": 1.0, "day": 25.0, "week": 169.0, "month": 745.0, "quarter": 2209.0, "year": 8785.0}
"""Hours that a unit has at least and at most, changes of the clock included."""


class RetentionRules(Struct, frozen=True):
    """Which snapshots of a project stay, and how long items do that its sources no longer have. items: by kind; kinds without
    a rule stay for ever."""

    keep: Keep
    items: tuple[ItemRule, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As the settings have them."""
        return {"keep": self.keep.as_json(), "item_retention": {one.kind: str(one) for one in self.items}}

    def of(self, kind: str) -> ItemRule:
        """The rule for a kind."""
        from policies.retention.rules import ItemRule

        return next((one for one in self.items if one.kind == kind), ItemRule(kind))


class PlannedRules(Struct, frozen=True):
    """What other rules would change. shorter: what is kept for less time then, or may be, in sentences · text: of the settings
    file then; None where it is not changed here · by_hand: what to write into it then · retention: what would go by the new
    rules."""

    before: RetentionRules
    after: RetentionRules
    shorter: tuple[str, ...]
    text: str | None
    by_hand: str
    retention: ProjectRetention

    @property
    def changes(self) -> bool:
        """Whether anything is other than before."""
        return self.before.as_json() != self.after.as_json()


def rules_of(context: Context, project: str) -> RetentionRules:
    """Those that hold for a project by the settings."""
    settings = context.settings.project(project)
    return RetentionRules(resolve.keep(settings.keep), resolve.items(settings).rules)


def kinds_of(context: Context, project: str) -> tuple[str, ...]:
    """The kinds that a project's sources have, or that have a rule."""
    settings = context.settings.project(project)
    return tuple(dict.fromkeys([*(one.kind for one in settings.sources), *settings.item_retention]))


def read_rules(context: Context, project: str, keep: Mapping[str, str], items: Mapping[str, str]) -> RetentionRules:
    """Rules as a person writes them. keep: by the names of the settings; an empty count keeps nothing, an empty `within` what
    is younger than 90 days · items: by kind; what is empty stays for ever. Raises `SettingsError` for what is none."""
    from policies.retention.rules import ItemRule

    known = kinds_of(context, project)
    unknown = [one for one in items if one not in known]
    if unknown:
        raise SettingsError(f"{unknown[0][:100]!r} is not a kind of this project", hint=f"there are: {', '.join(known)}")
    rules = tuple(ItemRule.parse(kind, text) for kind, text in items.items() if text.strip())
    return RetentionRules(read_keep(keep), tuple(one for one in rules if one.span is not None))


def read_keep(keep: Mapping[str, str]) -> Keep:
    """Which snapshots stay, as a person writes it. keep: as for `read_rules`. Raises `SettingsError` for what is no rule."""
    from policies.retention.rules import UNDELETED, Keep

    said: dict[str, object] = {name: _count(text) for name, text in keep.items() if text.strip() and name != "within"}
    return Keep.parse({**said, "within": keep.get("within", "").strip() or str(UNDELETED)})


def plan_rules(context: Context, project: Project, wanted: RetentionRules, *, on: datetime | None = None) -> PlannedRules:
    """What other rules would change and let go. Nothing is changed. on: as for `plan_retention`. Raises `UsageError` where the
    settings do not name the project, and as `plan_retention`."""
    settings, name = context.settings, project.name
    before = rules_of(context, name)
    if name not in settings.projects:
        raise UsageError(
            f"{settings.file} names no project {name!r}: its retention is said by whoever backs it up",
            hint="change the settings of the machine that has its sources",
        )
    text, by_hand = None, ""
    try:
        text = _text(context, name, wanted)
    except toml_edits.ByHand as error:
        by_hand = error.hint or str(error)
    if not toml_edits.is_writable(settings.file):
        text, by_hand = None, toml_edits.retention_by_hand(name, *_tables(context, name, wanted))
    retention = plan_retention(context, project, on=on, keep=wanted.keep)
    return PlannedRules(before, wanted, tuple(_shorter(before, wanted)), text, by_hand, retention)


def change_rules(context: Context, project: Project, planned: PlannedRules, *, reason: str) -> None:
    """Write them into the settings file. reason: why; it stays in the log. Raises `RefusedByRule` where the file has changed
    meanwhile, or is not changed by a program; `UsageError` where it cannot be written."""
    from strongroom import settings as settings_module

    read = context.settings
    if planned.text is None:
        raise RefusedByRule(f"{read.file} cannot be changed from here", hint=planned.by_hand)
    what = {"before": planned.before.as_json(), "after": planned.after.as_json(), "shorter": [*planned.shorter]}
    with command_log.recorded(context, "retention-change", [project], what | {"reason": reason}) as entry:
        entry.begin(destructive=bool(planned.shorter))
        SettingsFile(read.file.resolve(), read.text).replace(planned.text)
    capabilities = settings_copy.opened(context.repository, context.identities, context.memory)
    settings_copy.of_context(context, capabilities, settings_module.load(read.file))


def _text(context: Context, name: str, wanted: RetentionRules) -> str:
    """The settings file with them. Raises `ByHand`."""
    from strongroom.settings import reader
    from strongroom.settings.effective import Settings

    keep, items = _tables(context, name, wanted)
    if SettingsFile.read(context.settings.file).text != context.settings.text:
        by_hand = toml_edits.retention_by_hand(name, keep, items)
        raise toml_edits.ByHand("the settings file has changed, or has line ends of another system", hint=by_hand)
    text = toml_edits.with_retention(context.settings.text, name, keep, items)
    found = Settings(context.settings.file, text, reader.read(context.settings.file, text)).project(name)
    said = RetentionRules(resolve.keep(found.keep), tuple(one for one in resolve.items(found).rules if one.span is not None))
    if said.as_json() != _without_forever(wanted).as_json():
        raise toml_edits.ByHand(
            "the settings would say something else then", hint=toml_edits.retention_by_hand(name, keep, items)
        )
    return text


def _tables(context: Context, name: str, wanted: RetentionRules) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the settings say of the project then: all that [defaults] say, too, so that nothing of that is put beside it."""
    defaults = context.settings.document.defaults
    keep = wanted.keep.as_json()
    zero = {name: 0 for name in COUNTS if name not in keep and getattr(defaults.keep, name) is not None}
    items = {one.kind: str(one) for one in wanted.items}
    return zero | keep, {kind: "forever" for kind in sorted(defaults.item_retention) if kind not in items} | items


def _without_forever(rules: RetentionRules) -> RetentionRules:
    return RetentionRules(rules.keep, tuple(one for one in rules.items if one.span is not None))


def _shorter(before: RetentionRules, after: RetentionRules) -> Iterator[str]:
    """What the new rules may let go that the former ones keep."""
    yield from shorter_keep(before.keep, after.keep)
    for kind in dict.fromkeys([*(one.kind for one in before.items), *(one.kind for one in after.items)]):
        old, new = before.of(kind), after.of(kind)
        if new.span is None or (old.span is not None and old.after == new.after and _is_as_long(old.span, new.span)):
            continue
        yield f"items of {kind} that were deleted: {old} before, {new} then"


def shorter_keep(before: Keep, after: Keep) -> Iterator[str]:
    """Rules by which fewer snapshots may stay than by others, in sentences. Counts are compared one by one: a rule that is
    smaller counts as shorter, whatever another one keeps in its place."""
    for name in COUNTS:
        was, now = getattr(before, name), getattr(after, name)
        if now < was:
            yield f"{name}: {_in_words(was)} before, {_in_words(now)} then"
    if not _is_as_long(before.within, after.within):
        yield f"within: {before.within} before, {after.within} then"


def _is_as_long(before: CalendarSpan, after: CalendarSpan) -> bool:
    """Whether a length of time is at least as long as another one on every calendar."""
    if before.unit == after.unit:
        return after.count >= before.count
    return after.count * _FEWEST[after.unit] >= before.count * _MOST[before.unit]


def _in_words(count: int) -> str:
    from policies.retention.rules import written

    return str(written(count))


def _count(text: str) -> int | str:
    """As the settings have it; what is no number is refused by them."""
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() and len(word) < 12 else word
