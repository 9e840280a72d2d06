"""What is under way and will be an entry of the log: kept on this machine from before the effect until the entry is made.

A draft whose process has died is made an entry by the next command of this machine: an intent of which nobody knows what came.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from vault.age import HybridRecipient
from vault.errors import Damaged, KeyRefused
from vault.format import layout, strict_json
from vault.format.claim import Process
from vault.format.log_entry import MOST_PROJECTS, Actor, LoggedProject, Outcome
from vault.repository.audit.own_chain import LARGEST_FILE

_WHAT = "what this machine noted of a run"


class Audience(Struct, frozen=True):
    """The projects that an entry is about, and the public keys of their logs; an entry about no project has keys alone."""

    projects: tuple[LoggedProject, ...]
    recipients: tuple[HybridRecipient, ...]


class Draft(Struct, frozen=True):
    """A run of a command.

    - `run`: 16 hex digits
    - `audiences`: an entry is made for each
    - `process`: that does it; None where the system does not say
    - `intents`: how many entries the store got, or should, before the effect
    - `outcome`: None while it runs
    """

    run: str
    action: str
    at: datetime
    who: Actor
    audiences: tuple[Audience, ...]
    what: dict[str, Any]
    process: Process | None = None
    intents: int = 0
    outcome: Outcome | None = None

    def ended(self, outcome: Outcome) -> Draft:
        """The same, once it is over."""
        return replace(self, outcome=outcome)

    def encode(self) -> bytes:
        """As kept. Raises `ValueError`."""
        return strict_json.dump(
            {
                "run": self.run,
                "action": self.action,
                "at": strict_json.write_moment(self.at),
                "who": {name: getattr(self.who, name) for name in self.who.__struct_fields__},
                "audiences": [
                    {
                        "projects": [{"id": one.id, "name": one.name} for one in each.projects],
                        "recipients": [one.public.hex() for one in each.recipients],
                    }
                    for each in self.audiences
                ],
                "what": self.what,
                "process": None if self.process is None else self.process.as_json(),
                "intents": self.intents,
                "outcome": None if self.outcome is None else self.outcome.as_json(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Draft:
        """Read back. Raises `Damaged`."""
        value = strict_json.load(data, _WHAT, largest=LARGEST_FILE)
        who = strict_json.field(value, "who", dict, _WHAT)
        process = strict_json.optional(value, "process", dict, _WHAT)
        outcome = strict_json.optional(value, "outcome", dict, _WHAT)
        run = strict_json.field(value, "run", str, _WHAT)
        if not layout.is_entry_id(layout.entry_id(1, run)):
            raise Damaged(f"{_WHAT} has no id of a run")
        return cls(
            run=run,
            action=strict_json.field(value, "action", str, _WHAT),
            at=strict_json.moment(value, "at", _WHAT),
            who=Actor(
                **{name: strict_json.field(who, name, str, _WHAT) for name in ("user", "host", "program")},
                daemon=strict_json.field(who, "daemon", bool, _WHAT),
            ),
            audiences=tuple(_audience(one) for one in strict_json.field(value, "audiences", list, _WHAT)),
            what=strict_json.field(value, "what", dict, _WHAT),
            process=None if process is None else Process.from_json(process, _WHAT),
            intents=strict_json.count(value, "intents", _WHAT),
            outcome=None if outcome is None else Outcome.from_json(outcome, _WHAT),
        )


def audiences(projects: Sequence[tuple[LoggedProject, HybridRecipient]]) -> tuple[Audience, ...]:
    """Projects in groups of as many as one entry takes."""
    groups = [projects[start : start + MOST_PROJECTS] for start in range(0, len(projects), MOST_PROJECTS)]
    return tuple(Audience(tuple(one for one, _ in group), tuple(key for _, key in group)) for group in groups)


def _audience(value: object) -> Audience:
    if not isinstance(value, dict):
        raise Damaged(f"{_WHAT} is malformed")
    projects = strict_json.field(value, "projects", list, _WHAT)
    try:
        recipients = tuple(
            HybridRecipient(bytes.fromhex(str(one))) for one in strict_json.field(value, "recipients", list, _WHAT)
        )
    except (KeyRefused, ValueError) as error:
        raise Damaged(f"{_WHAT} names a key that cannot be read") from error
    found = tuple(
        LoggedProject(strict_json.field(one, "id", str, _WHAT), strict_json.field(one, "name", str, _WHAT))
        for one in projects
        if isinstance(one, dict)
    )
    return Audience(found, recipients)
