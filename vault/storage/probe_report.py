"""What the probe found, as values, and in words that say what it means for the person who keeps backups there."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

from vault.wording import counted

CreateOnce = Literal["kept", "ignored", "refused", "not-atomic"]
Enforced = Literal["sha256", "md5", "none"]
Verdict = Literal["ok", "broken", "refused"]

WORST_SKEW = 300.0
"""Seconds; S3 turns requests away whose time is 15 minutes off, and retention should not be off by more than this."""


class QuickReport(Struct, frozen=True):
    """What `init` asks for. create_once, checksum: what it records; `checksum` is what the store verifies at upload, as far as
    it could be found out · visible: what was written is seen at once by get, range, size and list, of a whole probe from other
    connections too · ranges: parts of objects are what they should be."""

    create_once: CreateOnce
    checksum: Enforced
    can_delete: bool
    visible: Verdict
    ranges: Verdict

    @property
    def usable(self) -> bool:
        """Whether the four promises hold that every repository needs."""
        return self.visible == "ok" and self.ranges == "ok"

    @property
    def creates_once(self) -> bool:
        """Whether commits may rely on create-once."""
        return self.create_once == "kept"

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def sentences(self) -> list[str]:
        trusted = [_CREATE_ONCE[self.create_once], _CHECKSUM[self.checksum], _can_delete(self)]
        return [_VISIBLE[self.visible], _RANGES[self.ranges], *trusted]


class ProbeReport(QuickReport, frozen=True):
    """Everything that `doctor` shows.

    overwrite: a verdict · versioning, object_lock: see `BucketFacts` · clock_skew: seconds that this machine is
    ahead of the store, None where the store has no clock of its own · round_trip: seconds of the quickest small write ·
    left_behind: probe objects that could not be removed.
    """

    overwrite: Verdict
    versioning: str | None
    object_lock: bool | None
    clock_skew: float | None
    round_trip: float
    left_behind: int

    def sentences(self) -> list[str]:
        said = [*QuickReport.sentences(self), _OVERWRITE[self.overwrite], *_protection(self)]
        if self.clock_skew is not None and abs(self.clock_skew) > WORST_SKEW:
            direction = "ahead of" if self.clock_skew > 0 else "behind"
            said.append(f"This machine's clock is {abs(self.clock_skew):.0f} s {direction} the store's: set it.")
        said.append(f"A small write takes {self.round_trip * 1000:.0f} ms.")
        if self.left_behind:
            what = counted(self.left_behind, "object")
            said.append(f"{what} of this probe could not be removed: look under probe-….")
        return said


_CREATE_ONCE: dict[CreateOnce, str] = {
    "kept": "Of several writers of one name exactly one succeeds: commits rely on that.",
    "ignored": "The store overwrites where it was asked not to: commits are checked again afterwards, which is slower.",
    "refused": "The store does not offer to write only where nothing is: commits are checked again afterwards.",
    "not-atomic": "Several writers of one name can all be told that they were first: this is not relied on.",
}
_CHECKSUM: dict[Enforced, str] = {
    "sha256": "Uploads that were damaged on their way are turned away (SHA-256).",
    "md5": "Uploads that were damaged on their way are turned away (MD5, which costs some processor time).",
    "none": "Nothing checks uploads on their way to the store: `strongroom check` finds damage, the upload does not.",
}
_VISIBLE: dict[Verdict, str] = {
    "ok": "What was written is seen at once by every reader.",
    "broken": "What was written is NOT seen at once by every reader: do not keep a repository here.",
    "refused": "Written objects cannot be read or listed with these credentials: nothing can be restored from here.",
}
_RANGES: dict[Verdict, str] = {
    "ok": "Parts of objects can be read.",
    "broken": "Reading a part of an object gives WRONG bytes: do not keep a repository here.",
    "refused": "Parts of objects cannot be read: do not keep a repository here.",
}
_OVERWRITE: dict[Verdict, str] = {
    "ok": "Objects can be overwritten with these credentials: versioning or Object Lock protects against that.",
    "broken": "An overwritten object still shows its old content: progress of running snapshots may look stale.",
    "refused": "Objects cannot be overwritten with these credentials; running snapshots cannot show their progress.",
}


def _can_delete(report: QuickReport) -> str:
    if report.can_delete:
        return "These credentials can delete objects: give the daemon some that cannot, where prune runs elsewhere."
    return "These credentials cannot delete objects: what is stored is safe from this machine, and prune runs elsewhere."


def _protection(report: ProbeReport) -> list[str]:
    said = []
    if report.versioning is not None:
        said.append(
            "The bucket keeps old versions: deleted objects can be brought back, and cost until they expire."
            if report.versioning == "enabled"
            else f"Versioning of the bucket is {report.versioning}: what is deleted in the bucket is gone."
        )
    if report.object_lock is not None:
        said.append(f"Object Lock is {'on' if report.object_lock else 'off'}.")
    return said
