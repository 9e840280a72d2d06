"""Entries of this machine: made of drafts, signed, sealed, chained and stored.

    begin       a draft on this machine, before the effect
    intend      an intent in the store as well, where the effect destroys something
    end         the entry with the outcome

An entry is on this machine's disk before it is sent. What the store does not take waits there, and goes with the next command;
so do the drafts of processes that have died. Nothing of this raises for that: why an entry waits is part of the result.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from vault import age
from vault.age import HybridIdentity
from vault.errors import Busy, Damaged, StorageError, StrongroomError, Unstorable
from vault.format import layout, principal
from vault.format.log_entry import NAMESPACE, LogEntry, Outcome, Phase
from vault.format.log_head import LogHead
from vault.format.principal import Principal
from vault.repository.audit import entries
from vault.repository.audit.draft import Audience, Draft
from vault.repository.audit.own_chain import OwnChain, OwnEntry
from vault.repository.services import Services
from vault.storage.contract import Store

ON_ITS_WAY = 60.0
"""Seconds in which an entry of another process is taken to be on its way to the store."""

DEAD_AFTER = timedelta(days=1)
"""After which a process has ended of which this machine cannot tell."""

UNKNOWN = Outcome("interrupted", why="its process has died; nobody noted what came of it")


class Unstored(NamedTuple):
    """Why an entry is not in the store. kept: whether it waits on this machine."""

    error: StrongroomError | OSError
    kept: bool

    @property
    def message(self) -> str:
        """For people."""
        what = self.error.strerror if isinstance(self.error, OSError) else str(self.error)
        if self.kept:
            return f"the entry of the log waits on this machine, and goes with the next command: {what}"
        return f"the entry of the log could neither be stored nor kept on this machine: {what}"


class LogWriter:
    """Writes the chain of one principal. store: with little patience, for whoever waits · repository: its id · folder: where
    this machine keeps what it knows of chains of this repository (see `own_chain`)."""

    def __init__(self, store: Store, repository: str, identity: HybridIdentity, services: Services, folder: Path) -> None:
        self.store = store
        self._repository = repository
        self._identity = identity
        self._services = services
        public = Principal.of(identity)
        self.principal = public.id(repository)
        self._signing_key = public.signing_key or b""
        self.chain = OwnChain(folder / self.principal)

    def begin(self, draft: Draft) -> None:
        """Note what is about to be done. Where this machine's disk does not take it, the work goes on all the same."""
        try:
            self.chain.write_draft(draft.run, draft.encode())
        except OSError:
            return

    def intend(self, draft: Draft) -> tuple[Draft, Unstored | None]:
        """An intent in the store, before the effect. Gives the draft that is to be ended."""
        noted = replace(draft, intents=len(draft.audiences))
        self.begin(noted)
        return noted, self._add(noted, "intent", None)

    def end(self, draft: Draft, outcome: Outcome) -> Unstored | None:
        """The entry with the outcome; what waits, and what processes have left that died, goes with it."""
        trouble = self._add(draft.ended(outcome), "outcome" if draft.intents else "done", outcome)
        return trouble or self.store_left()

    def store_left(self) -> Unstored | None:
        """Make entries of the drafts that processes have left that died, and send what waits."""
        trouble: Unstored | None = None
        try:
            for run in self.chain.drafts():
                trouble = self._end_left(run) or trouble
            error = self._send(())
        except OSError as failed:
            return trouble or Unstored(failed, kept=True)
        return trouble or (None if error is None else Unstored(error, kept=True))

    def head(self) -> LogHead | None:
        """The newest entry that the store has, as far as this machine knows; asked of the store where it knows of none. Raises
        `StorageError`."""
        try:
            known = [one for one in self.chain.entries() if one.stored]
        except OSError:
            known = []
        if known:
            return LogHead(self.principal, known[-1].sequence, known[-1].sha256)
        found = entries.newest(self.store, self.principal)
        if found is not None:
            self._remember(found)
        return found

    def _remember(self, head: LogHead) -> None:
        try:
            with self.chain.locked(self._services.clock):
                if self.chain.newest() is None:
                    self.chain.note_stored(layout.entry_id(head.sequence, "0" * 16), head.sha256)
        except (OSError, Busy):
            return

    def _end_left(self, run: str) -> Unstored | None:
        """Of a run whose process has died, or that ended while another process held the lock."""
        data = self.chain.read_draft(run)
        if data is None:
            return None
        try:
            draft = Draft.decode(data)
        except Damaged:
            self.chain.drop_draft(run)
            return None
        if draft.outcome is None and not self._is_dead(draft):
            return None
        made = [one for one in self.chain.entries() if one.run == run]
        if len(made) >= draft.intents + len(draft.audiences):  # the power went before the draft could go
            self.chain.drop_draft(run)
            return None
        phase: Phase = "outcome" if draft.intents else "intent" if draft.outcome is None else "done"
        return self._add(draft, phase, draft.outcome or UNKNOWN)

    def _is_dead(self, draft: Draft) -> bool:
        if draft.process is not None and self._services.processes.ended(draft.process):
            return True
        own = self._services.processes.own()
        known = draft.process is not None and own is not None and draft.process.machine == own.machine
        return not known and self._services.clock.now() - draft.at > DEAD_AFTER

    def _add(self, draft: Draft, phase: Phase, outcome: Outcome | None) -> Unstored | None:
        """Make the entries of a phase, and send them."""
        try:
            made = self._kept(draft, phase, outcome)
        except (Unstorable, Busy, StorageError) as error:
            return self._put_off(draft, phase, error)
        except OSError:
            return self._send_unkept(draft, phase, outcome)
        try:
            refused = self._send({one.id for one in made})
        except OSError as error:
            return Unstored(error, kept=True)
        return None if refused is None else Unstored(refused, kept=True)

    def _put_off(self, draft: Draft, phase: Phase, error: StrongroomError) -> Unstored:
        """The place in the chain is not known, or another process holds it: the draft waits for the next command."""
        try:
            if phase != "intent":
                self.chain.write_draft(draft.run, draft.encode())
        except (OSError, ValueError):
            return Unstored(error, kept=False)
        return Unstored(error, kept=True)

    def _kept(self, draft: Draft, phase: Phase, outcome: Outcome | None) -> list[OwnEntry]:
        """Entries on this machine's disk, in the chain. Raises `OSError`, `Busy`, `StorageError`, `Unstorable`."""
        with self.chain.locked(self._services.clock):
            last = self.chain.newest()
            before = None if last is None else (last.sequence, last.sha256)
            if last is None:
                found = entries.newest(self.store, self.principal)
                before = None if found is None else (found.sequence, found.sha256)
            made: list[OwnEntry] = []
            for audience in draft.audiences:
                entry, sealed = self._sealed(draft, audience, phase, outcome, before)
                made.append(self.chain.keep(entry, sealed))
                before = made[-1].sequence, made[-1].sha256
            if phase != "intent" or outcome is not None:
                self.chain.drop_draft(draft.run)
        return made

    def _sealed(
        self,
        draft: Draft,
        audience: Audience,
        phase: Phase,
        outcome: Outcome | None,
        before: tuple[int, str] | None,
    ) -> tuple[str, bytearray]:
        """An entry's id, and its bytes."""
        sequence, digest = (before[0] + 1, before[1]) if before is not None else (1, None)
        if sequence > layout.LAST_SEQUENCE:
            raise Unstorable(f"no number is left in the chain of {self.principal}: somebody else has put its last entry there")
        entry = LogEntry(
            id=layout.entry_id(sequence, draft.run),
            repository=self._repository,
            principal=self.principal,
            before=digest,
            signing_key=self._signing_key,
            at=draft.at,
            action=draft.action,
            phase=phase,
            who=draft.who,
            projects=audience.projects,
            what=draft.what,
            outcome=outcome,
        )
        plain = self._signed(entry)
        sealed = age.seal(plain, audience.recipients, self._services.randomness)
        LogEntry.decode(sealed.reopen(), self.principal, entry.id, self._repository)  # memory that errs is found out here
        return entry.id, sealed.data

    def _signed(self, entry: LogEntry) -> bytes:
        """What would be too large for any reader is said in short: who, when, and that."""
        try:
            return entry.encode(self._sign)
        except Unstorable:
            cut = entry.outcome if entry.outcome is None else replace(entry.outcome, counts={}, parts=(), why="")
            return replace(entry, what={"left_out": "too large for an entry of the log"}, outcome=cut).encode(self._sign)

    def _sign(self, body: bytes) -> str:
        return principal.sign(self._identity, body, NAMESPACE)

    def _send(self, own: Collection[str]) -> StorageError | None:
        """Put what waits: one's own, and what others have left. Gives why the store does not take it. Raises `OSError`."""
        now = self._services.clock.now().timestamp()
        for one in self.chain.entries():
            if one.stored or (one.id not in own and not self._is_left(one, now)):
                continue
            try:
                data = self.chain.read(one)
            except FileNotFoundError:  # another process has sent it
                continue
            if data is None:  # this machine's disk has damaged it: it stays a gap, which verifying names
                continue
            try:
                self.store.put(layout.audit_name(self.principal, one.id), data)
            except StorageError as error:
                self._leave(own, one)
                return error
            self._note_stored(one)
        return None

    def _leave(self, own: Collection[str], refused: OwnEntry) -> None:
        """The next command need not take these to be on their way."""
        for one in self.chain.entries():
            if not one.stored and (one.id in own or one == refused):
                self.chain.let_others_send(one)

    def _is_left(self, one: OwnEntry, now: float) -> bool:
        return not 0 <= self.chain.age(one, now) < ON_ITS_WAY

    def _note_stored(self, one: OwnEntry) -> None:
        """That it is not noted costs sending it once more."""
        try:
            with self.chain.locked(self._services.clock):
                self.chain.stored(one)
        except (OSError, Busy):
            return

    def _send_unkept(self, draft: Draft, phase: Phase, outcome: Outcome | None) -> Unstored | None:
        """Straight to the store, where this machine's disk takes nothing: its head is asked for, and not remembered."""
        try:
            found = entries.newest(self.store, self.principal)
            before = None if found is None else (found.sequence, found.sha256)
            for audience in draft.audiences:
                entry, sealed = self._sealed(draft, audience, phase, outcome, before)
                self.store.put(layout.audit_name(self.principal, entry), sealed)
                before = int(entry[:12]), sha256(sealed).hexdigest()
        except (StorageError, Unstorable) as error:
            return Unstored(error, kept=False)
        self.chain.forget_head()
        return None


def new_run(services: Services) -> str:
    """What tells the entries of one command from those of others."""
    return services.randomness.token(8).hex()
