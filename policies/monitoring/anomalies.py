"""What makes a new snapshot suspicious: what it did to the files of the one before, beside what its source usually does.

    shrunk     files vanished: a share of all, or an absolute number, at once or within a day
    folder     a whole folder vanished, or everything about a day or a month
    changed    a share of the files was rewritten as a whole: less than half of their rows or bytes stayed
    entropy    files that were tables, texts or documents have no form any more, or do not open, as ransomware leaves them
    emptied    files, or a column in tables, of which next to nothing is left

An hourly row in every workbook rewrites every file and is none of these: the rows stay. What moved is not lost. What the source
does on other such days, or at this hour of such days, is no reason either (`habit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.monitoring.baseline import DAY, LEARNING, WEEK, Baseline, Measure, PastSnapshot, lately
from vault.format.changes import Changes, VanishedGroup
from vault.wording import counted

FEWEST = 5
"""Files that must be concerned. Of fewer no number means anything: two of three reports go on an ordinary day."""

FEWEST_UNFORMED = 10
MANY_EMPTIED = 10
SHARE_EMPTIED = 0.1
HALF = 0.5
BEYOND = 1.5
"""How many times what is usual is still usual."""

SHOWN = 3


class AnomalyLimits(Struct, frozen=True):
    """From when on a snapshot is flagged. deleted_share, rewritten_share: 0 to 1 · vanished: a number of files · folder: so
    many of a folder or a period that vanished as a whole; 0 for never · entropy, emptied: whether that is looked at."""

    deleted_share: float = 0.3
    rewritten_share: float = 0.5
    entropy: bool = True
    vanished: int = 50
    folder: int = 5
    emptied: bool = True


class Anomalies(Struct, frozen=True):
    """reasons: why a snapshot is suspicious · quiet: what would be a reason if the source were known for longer."""

    reasons: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()


class _Case(Struct, frozen=True):
    """One snapshot under suspicion. day, week: the snapshots of the last 24 hours, and of the last seven days, with it · habit:
    None where it is not looked up yet, and nothing counts as usual."""

    now: PastSnapshot
    day: Sequence[PastSnapshot]
    week: Sequence[PastSnapshot]
    limits: AnomalyLimits
    habit: Baseline | None

    @property
    def files(self) -> int:
        """That the source had before it all began."""
        return max(self.day[0].changes.files, self.now.changes.files)

    def within_a_day(self, measure: Measure) -> int:
        return sum(measure(one.changes) for one in self.day) if measure(self.now.changes) else 0

    def unusual(self, count: int, measure: Measure, days: int = 1) -> str | None:
        """What is usual, in words, where so many files in so many days are more than that; None where they are not."""
        usual = 0 if self.habit is None else self.habit.by_day(measure)
        return None if count < FEWEST + BEYOND * usual * days else _usual_words(usual, "on such a day")

    def lately(self, measure: Measure, enough: Callable[[int], bool]) -> tuple[str, int, str] | None:
        """In what time, how many files, and what is usual: within a day, or else within a week, since whoever is in no hurry
        does a few files a day; None where neither is enough and unusual."""
        for days, seen, words in ((1, self.day, self.when(measure)), (7, self.week, "within a week ")):
            count = sum(measure(one.changes) for one in seen) if measure(self.now.changes) else 0
            usual = self.unusual(count, measure, days)
            if usual is not None and enough(count):
                return words, count, usual
        return None

    def when(self, measure: Measure) -> str:
        """Whether it was this snapshot alone."""
        return "" if self.within_a_day(measure) == measure(self.now.changes) else "within a day "


def suspicious(now: PastSnapshot, past: Sequence[PastSnapshot], limits: AnomalyLimits) -> bool:
    """Whether a snapshot is worth a look at what is usual. past: at least the snapshots of the 24 hours before, by
    time; where files have lost their form, of the seven days before."""
    verdict = _verdict(_Case(now, lately(past, now, DAY), lately(past, now, WEEK), limits, None))
    return bool(verdict.reasons or verdict.quiet)


def find_anomalies(now: PastSnapshot, past: Sequence[PastSnapshot], limits: AnomalyLimits, zone: ZoneInfo) -> Anomalies:
    """Is a snapshot suspicious? past: the snapshots of its source before it, by time · zone: of its days and hours."""
    return _verdict(_Case(now, lately(past, now, DAY), lately(past, now, WEEK), limits, Baseline(past, now.taken_at, zone)))


def _verdict(case: _Case) -> Anomalies:
    reasons = [*_vanished(case), *_groups(case), *_emptied(case), *_entropy(case)]
    rewritten = [*_rewritten(case)]
    if _is_new(case.now):
        until = f"what is usual for this source is still being learned, until {_known_from(case.now):%Y-%m-%d}"
        return Anomalies(tuple(reasons), tuple(f"{one}; {until}" for one in rewritten))
    return Anomalies((*reasons, *rewritten))


def _vanished(case: _Case) -> Iterator[str]:
    count, limits = case.within_a_day(_vanished_of), case.limits
    much = count >= limits.deleted_share * case.files or count >= limits.vanished
    if count >= FEWEST and much and (usual := case.unusual(count, _vanished_of)):
        share = f"{100 * count // max(1, case.files)} %"
        yield f"{case.when(_vanished_of)}{count} of {case.files} files vanished ({share}){_as(case, 'vanished')}; {usual}"


def _groups(case: _Case) -> Iterator[str]:
    if not case.limits.folder:
        return
    folders, periods = (_large(groups, case.limits) for groups in (case.now.changes.folders, case.now.changes.periods))
    if folders and (usual := case.unusual(_in(folders), _in_folders)):
        many = "folders vanished as a whole" if len(folders) > 1 else "folder vanished as a whole"
        yield f"{len(folders)} {many}: {_listed(folders)}; {usual}"
    if _in(periods) > _in(folders) and (usual := case.unusual(_in(periods), _in_periods)):
        yield f"everything about {_listed(periods)} vanished; {usual}"


def _emptied(case: _Case) -> Iterator[str]:
    if not case.limits.emptied:
        return
    count = case.within_a_day(_emptied_of)
    if count >= min(MANY_EMPTIED, max(FEWEST, SHARE_EMPTIED * case.files)) and (usual := case.unusual(count, _emptied_of)):
        what = "were emptied: next to nothing is left of them"
        yield f"{case.when(_emptied_of)}{count} of {case.files} files {what}{_as(case, 'emptied')}; {usual}"
    count = case.within_a_day(_columns_of)
    if usual := case.unusual(count, _columns_of):
        yield f"{case.when(_columns_of)}a column was emptied in {counted(count, 'table')}{_as(case, 'columns')}; {usual}"


def _entropy(case: _Case) -> Iterator[str]:
    if not case.limits.entropy:
        return
    most = max(FEWEST, HALF * case.files)
    if found := case.lately(_unformed_of, lambda count: count >= FEWEST_UNFORMED or count >= most):
        when, count, usual = found
        what = "rewritten files look encrypted: they have no format any more"
        yield f"{when}{count} {what}{_as(case, 'unformed')}; {usual}"
    if found := case.lately(_unreadable_of, lambda _count: True):
        when, count, usual = found
        what = f"{counted(count, 'table')} cannot be opened any more"
        yield f"{when}{what}{_as(case, 'unreadable')}; {usual}"


def _rewritten(case: _Case) -> Iterator[str]:
    now = case.now.changes
    if now.went < max(FEWEST, case.limits.rewritten_share * now.files):
        return
    usual = 0 if case.habit is None else case.habit.by_hour(_went_of)
    if now.went >= FEWEST + BEYOND * usual:
        words = _usual_words(usual, "at this time")
        yield f"{now.went} of {now.files} files were rewritten as a whole{_as(case, 'went')}; {words}"


def _vanished_of(changes: Changes) -> int:
    return changes.vanished


def _emptied_of(changes: Changes) -> int:
    return changes.emptied


def _columns_of(changes: Changes) -> int:
    return changes.columns


def _unformed_of(changes: Changes) -> int:
    return changes.unformed


def _unreadable_of(changes: Changes) -> int:
    return changes.unreadable


def _went_of(changes: Changes) -> int:
    return changes.went


def _in_folders(changes: Changes) -> int:
    return _in(changes.folders)


def _in_periods(changes: Changes) -> int:
    return _in(changes.periods)


def _in(groups: Sequence[VanishedGroup]) -> int:
    return sum(group.files for group in groups)


def _large(groups: Sequence[VanishedGroup], limits: AnomalyLimits) -> list[VanishedGroup]:
    return [group for group in groups if group.files >= limits.folder]


def _listed(groups: Sequence[VanishedGroup]) -> str:
    more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    return ", ".join(f"{group.name} ({counted(group.files, 'file')})" for group in groups[:SHOWN]) + more


def _as(case: _Case, name: str) -> str:
    """Examples, of the newest snapshot."""
    paths = case.now.changes.examples.get(name, ())[:SHOWN]
    return f", as {', '.join(paths)}" if paths else ""


def _usual_words(usual: int, when: str) -> str:
    return f"usual {when}: at most {usual}" if usual else f"nothing of the sort is usual {when}"


def _is_new(now: PastSnapshot) -> bool:
    return now.taken_at < _known_from(now)


def _known_from(now: PastSnapshot) -> datetime:
    return (now.changes.since or now.taken_at) + LEARNING
