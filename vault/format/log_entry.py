"""An entry of the log: one line of JSON, and below it the signature of who wrote it, in OpenSSH's format.

What is signed are the bytes of the first line with its line feed, so that no canonical form of JSON is needed, and an auditor
verifies an entry with `head -n 1`, `tail -n +2` and `ssh-keygen`. The line names the repository, the principal, the entry's
place in the chain and the hash of the one before: an entry that was put elsewhere is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, get_args

from msgspec import Struct, field

from vault.errors import Damaged, Unstorable
from vault.format import layout, ssh_signature, strict_json

NAMESPACE = "strongroom-audit"
"""Of the signature."""

LARGEST = 256 * 1024
"""Bytes of an entry before it is sealed."""

MOST_PROJECTS = 16
"""Projects of one entry: it is sealed to the holders of `audit` of each."""

Phase = Literal["intent", "outcome", "done"]
"""`intent`: what is about to be done · `outcome`: what came of it · `done`: both in one."""

Result = Literal["ok", "problems", "refused", "failed", "interrupted"]
"""`interrupted`: also where nobody knows what came of it, as its process has died."""

PHASES: tuple[Phase, ...] = get_args(Phase)
RESULTS: tuple[Result, ...] = get_args(Result)


class LoggedProject(Struct, frozen=True):
    """A project that an entry is about. name: as its key object has it."""

    id: str
    name: str


class Actor(Struct, frozen=True):
    """Who did it, besides the principal. user: of the operating system · host: the machine's name · program: and its version ·
    daemon: whether the daemon started it."""

    user: str
    host: str
    program: str
    daemon: bool = False


class Outcome(Struct, frozen=True):
    """What came of it.

    - `result`: in a word
    - `exit_code`: that a command ends with for it; None where that is not known
    - `ended_at`: None where it is not known
    - `counts`: numbers of what was done
    - `parts`: the same for each part of the work, a source or a project
    - `why`: the message of a refusal; the kind of any other error, whose words might tell content
    """

    result: Result
    exit_code: int | None = None
    ended_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)
    parts: tuple[dict[str, Any], ...] = ()
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """As an entry holds it."""
        return {
            "result": self.result,
            "exit_code": self.exit_code,
            "ended_at": None if self.ended_at is None else strict_json.write_moment(self.ended_at),
            "counts": self.counts,
            "parts": list(self.parts),
            "why": self.why,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Outcome:
        """Read back. Raises `Damaged`."""
        counts = strict_json.field(value, "counts", dict, what)
        parts = strict_json.field(value, "parts", list, what)
        if not all(isinstance(one, dict) for one in parts):
            raise Damaged(f"{what}: 'parts' is not a list of objects")
        code = strict_json.optional(value, "exit_code", int, what)
        return cls(
            result=_one_of(RESULTS, value, "result", what),
            exit_code=code,
            ended_at=None if value.get("ended_at") is None else strict_json.moment(value, "ended_at", what),
            counts={name: strict_json.field(counts, name, int, what) for name in counts},
            parts=tuple(parts),
            why=strict_json.field(value, "why", str, what),
        )


class LogEntry(Struct, frozen=True):
    """What was done, by whom, and where it stands in the chain.

    - `id`: the last part of its name: the sequence and the run
    - `principal`: its id in the repository
    - `before`: SHA-256, in hex, of the stored bytes of the entry before; None for the first
    - `signing_key`: 32 bytes; whoever verifies must know whose it is
    - `run`: 16 hex digits, equal for the entries of one command
    - `at`: when it began
    - `what`: the whole selection and the options that matter; never content
    - `outcome`: None in an intent whose end is another entry
    """

    id: str
    repository: str
    principal: str
    before: str | None
    signing_key: bytes
    at: datetime
    action: str
    phase: Phase
    who: Actor
    projects: tuple[LoggedProject, ...]
    what: dict[str, Any]
    outcome: Outcome | None = None

    @property
    def sequence(self) -> int:
        """Its number in the chain, from 1."""
        return int(self.id[:12])

    @property
    def run(self) -> str:
        """What tells the entries of one command from those of others."""
        return self.id[13:]

    def as_json(self) -> dict[str, Any]:
        """What is signed."""
        return {
            "record": "log",
            "id": self.id,
            "repository": self.repository,
            "principal": self.principal,
            "sequence": self.sequence,
            "before": self.before,
            "signing_key": self.signing_key.hex(),
            "at": strict_json.write_moment(self.at),
            "action": self.action,
            "phase": self.phase,
            "run": self.run,
            "who": {name: getattr(self.who, name) for name in self.who.__struct_fields__},
            "projects": [{"id": one.id, "name": one.name} for one in self.projects],
            "what": self.what,
            "outcome": None if self.outcome is None else self.outcome.as_json(),
        }

    def encode(self, sign: Callable[[bytes], str]) -> bytes:
        """As stored, before it is sealed. sign: gives the armored signature of bytes, under `NAMESPACE`. Raises `Unstorable`
        where no reader would take it."""
        try:
            body = strict_json.dump(self.as_json()) + b"\n"
        except ValueError as error:
            raise Unstorable(f"an entry of the log cannot be written: {error}") from error
        data = body + sign(body).encode()
        if len(data) > LARGEST or len(self.projects) > MOST_PROJECTS:
            raise Unstorable(
                f"an entry of the log would have {len(data)} bytes about {len(self.projects)} projects, and more than "
                f"{LARGEST} about {MOST_PROJECTS} are never read"
            )
        return data

    @classmethod
    def decode(cls, data: bytes | bytearray, principal: str, entry: str, repository: str) -> LogEntry:
        """Read back what was found under a name, once its signature is found to be right. Whether its key is that of the
        principal is for the caller to ask. principal, entry: of the name. Raises `Damaged`."""
        what = f"the entry {entry} of the log of {principal}"
        if len(data) > LARGEST:
            raise Damaged(f"{what} is {len(data)} bytes long; more than {LARGEST} is never written")
        body, line_feed, signature = bytes(data).partition(b"\n")
        value = strict_json.load(body, what, largest=LARGEST)
        if strict_json.field(value, "record", str, what) != "log":
            raise Damaged(f"{what} is another kind of record")
        found = cls._from_json(value, what)
        if ssh_signature.verify(_text(signature, what), body + line_feed, NAMESPACE) != found.signing_key:
            raise Damaged(f"{what} is signed with another key than it names")
        if found.repository != repository:
            raise Damaged(f"{what} belongs to another repository")
        if found.principal != principal or found.id != entry:
            raise Damaged(f"{what} was swapped for another, or copied: it says that it is {found.id} of {found.principal}")
        if strict_json.count(value, "sequence", what) != found.sequence:
            raise Damaged(f"{what} states another number than its name")
        return found

    @classmethod
    def _from_json(cls, value: dict[str, Any], what: str) -> LogEntry:
        entry = strict_json.field(value, "id", str, what)
        if not layout.is_entry_id(entry):
            raise Damaged(f"{what} has no id of an entry")
        who = strict_json.field(value, "who", dict, what)
        projects = strict_json.field(value, "projects", list, what)
        outcome = strict_json.optional(value, "outcome", dict, what)
        before = strict_json.optional(value, "before", str, what)
        if len(projects) > MOST_PROJECTS or not all(isinstance(one, dict) for one in projects):
            raise Damaged(f"{what}: 'projects' is not a list of at most {MOST_PROJECTS} objects")
        return cls(
            id=entry,
            repository=strict_json.field(value, "repository", str, what),
            principal=strict_json.field(value, "principal", str, what),
            before=None if before is None else strict_json.from_hex(before, 32, f"{what}: 'before'").hex(),
            signing_key=strict_json.hexadecimal(value, "signing_key", ssh_signature.KEY_SIZE, what),
            at=strict_json.moment(value, "at", what),
            action=strict_json.field(value, "action", str, what),
            phase=_one_of(PHASES, value, "phase", what),
            who=Actor(
                **{name: strict_json.field(who, name, str, what) for name in ("user", "host", "program")},
                daemon=strict_json.field(who, "daemon", bool, what),
            ),
            projects=tuple(
                LoggedProject(strict_json.field(one, "id", str, what), strict_json.field(one, "name", str, what))
                for one in projects
            ),
            what=strict_json.field(value, "what", dict, what),
            outcome=None if outcome is None else Outcome.from_json(outcome, what),
        )


def _one_of(known: tuple[Any, ...], value: dict[str, Any], name: str, what: str) -> Any:  # noqa: ANN401 (a word of `known`)
    found = strict_json.field(value, name, str, what)
    if found not in known:
        raise Damaged(f"{what}: {name!r} is {found[:40]!r}, which is none of {', '.join(known)}")
    return found


def _text(signature: bytes, what: str) -> str:
    try:
        return signature.decode("ascii")
    except UnicodeDecodeError as error:
        raise Damaged(f"{what} has no signature that can be read") from error
