"""The claim of this run: it is rewritten as the work goes on, and never written again once it was taken away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, StorageError, TransientStorageError
from vault.format import layout
from vault.format.claim import Claim
from vault.repository.claims import STALE_AFTER, evicted_error
from vault.repository.project import Project

REFRESH_EVERY = 60.0
"""Seconds between two rewritings of the claim, which are the progress that `status` shows."""

OLD = STALE_AFTER / 4
"""Age of a claim that may have been evicted since: it was not rewritten for so long, as on a machine that slept."""


class OwnClaim:
    """A claim that was just put. value: as it was written last."""

    def __init__(self, project: Project, claim: Claim) -> None:
        self._project = project
        self.value = claim
        self._lock = threading.Lock()
        self._progress = (0, 0)
        self._refreshed_at = self._tried_at = self._now()

    @classmethod
    def put(
        cls,
        project: Project,
        source: str,
        announce: Callable[[str], None] | None = None,
        not_before: datetime | None = None,
    ) -> OwnClaim:
        """Put a new claim, under an id that is never used again. announce: hears the id before anything is put · not_before:
        the moment that the id states is not earlier, whatever this machine's clock says."""
        services = project.services
        now = services.clock.now()
        named = now if not_before is None else max(now, not_before)
        claim = Claim(
            id=layout.snapshot_id(named, services.randomness.token(8)),
            source=source,
            host=services.host,
            writer=services.writer,
            started_at=now,
            updated_at=now,
            nonce=services.randomness.token(16).hex(),
            process=services.processes.own(),
        )
        if announce is not None:
            announce(claim.id)
        project.put_record(layout.claim_name(project.id, claim.id), claim.as_json())
        return cls(project, claim)

    @property
    def name(self) -> str:
        """In the store."""
        return layout.claim_name(self._project.id, self.value.id)

    def set_progress(self, items: int, size: int) -> None:
        """How far the work is, for the next refresh. size: in bytes."""
        self._progress = (items, size)

    def refresh_if_due(self) -> None:
        """Rewrite it, if it is time to; from any thread. A store that does not answer is no failure: the next call of a minute
        later tries again. Raises `Busy` where the run was evicted."""
        if self._since(self._tried_at) < REFRESH_EVERY or not self._lock.acquire(blocking=False):
            return
        try:
            self._tried_at = self._now()
            with suppress(TransientStorageError):
                self.refresh()
        finally:
            self._lock.release()

    def refresh(self, *, committing: bool = False) -> None:
        """Look first: a claim that was taken away must not come back. Raises `Busy`."""
        if not self.exists():
            raise evicted_error(self.value.id)
        began, (items, size) = self._now(), self._progress
        self.value = replace(self.value, updated_at=began[1], items=items, bytes=size, committing=committing)
        self._project.put_record(self.name, self.value.as_json())
        self._refreshed_at = began

    def exists(self) -> bool:
        """Whether it was not taken away. One that cannot be read exists: an eviction deletes it."""
        try:
            return Claim.from_json(self._project.read_record(self.name, "this run's claim")).nonce == self.value.nonce
        except ObjectNotFound:
            return False
        except Damaged:
            return True

    @property
    def is_old(self) -> bool:
        """Whether it was not rewritten for so long that somebody may have evicted it."""
        return self._since(self._refreshed_at) > OLD.total_seconds()

    def delete(self) -> bool:
        """Delete it; returns whether that was possible. One that stays is known to be done by its record."""
        try:
            self._project.store.delete(self.name)
        except StorageError:
            return False
        return True

    def _now(self) -> tuple[float, datetime]:
        clock = self._project.services.clock
        return clock.monotonic(), clock.now()

    def _since(self, moment: tuple[float, datetime]) -> float:
        """Seconds, by the clock that says more: one of the two stops while a machine sleeps."""
        monotonic, wall = self._now()
        return max(monotonic - moment[0], (wall - moment[1]) / timedelta(seconds=1))
