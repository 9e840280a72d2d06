"""The text of a notification: alerts that fire and alerts that are resolved, and what people are to keep, as the subject and
body of a mail and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from msgspec import Struct

from vault.wording import counted


class Line(Struct, frozen=True):
    """title: of the project, and source or job · promise: a short word for programs · hint: what to do, "" once it is
    resolved · severity: of the alert, "critical" or "warning"."""

    title: str
    promise: str
    message: str
    hint: str = ""
    severity: str = "warning"

    def as_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Message(Struct, frozen=True):
    """host: which daemon noticed · at: when · only: whom it has not reached yet, where a channel reached some · notes: what
    is no alert, and is to be kept · own_subject, own_text: in place of those that are made here, in a reader's language."""

    host: str
    at: datetime
    firing: tuple[Line, ...]
    resolved: tuple[Line, ...]
    only: tuple[str, ...] = ()
    notes: tuple[Line, ...] = ()
    own_subject: str = ""
    own_text: str = ""

    @property
    def subject(self) -> str:
        """In a line."""
        if self.own_subject:
            return self.own_subject
        parts = [_part(self.firing, "firing"), _part(self.resolved, "resolved"), *(one.title for one in self.notes[:1])]
        worst = f"{self.severity.upper()}: " if self.severity else ""
        return f"Strongroom on {self.host}: {worst}{', '.join(part for part in parts if part)}"

    @property
    def severity(self) -> str:
        """The worst of what fires; "" where nothing does."""
        return max((one.severity for one in self.firing), key=("warning", "critical").index, default="")

    def text(self) -> str:
        """For people."""
        if self.own_text:
            return self.own_text
        lines = [f"{self.at:%Y-%m-%d %H:%M} UTC, {self.host}"]
        for one in self.firing:
            lines += ["", f"{one.severity}: FIRING  {one.title}: {one.message}", f"        what to do: {one.hint}"]
        for one in self.resolved:
            lines += ["", f"resolved  {one.title}: {one.message}"]
        for one in self.notes:
            lines += ["", f"{one.title}: {one.message}", f"        what to do: {one.hint}"]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """For the outbox, and what a webhook gets."""
        firing, resolved = ([one.as_json() for one in lines] for lines in (self.firing, self.resolved))
        return {
            "strongroom": 1,
            "subject": self.subject,
            "severity": self.severity,
            "host": self.host,
            "at": self.at.isoformat(),
            "firing": firing,
            "resolved": resolved,
            "broken": firing,  # the names of an earlier version, for one version more
            "mended": resolved,
        } | ({"notes": [one.as_json() for one in self.notes]} if self.notes else {})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """As `as_json` wrote it."""
        firing, resolved = (
            tuple(Line(**one) for one in value.get(name) or value[earlier])
            for name, earlier in (("firing", "broken"), ("resolved", "mended"))
        )
        notes = tuple(Line(**one) for one in value.get("notes", ()))
        return cls(value["host"], datetime.fromisoformat(value["at"]), firing, resolved, tuple(value.get("only", ())), notes)


def _part(lines: Sequence[Line], what: str) -> str:
    if not lines:
        return ""
    first = f" ({lines[0].title})" if len(lines) == 1 else ""
    return f"{counted(len(lines), 'alert')} {what}{first}"
