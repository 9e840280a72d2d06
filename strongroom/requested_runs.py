"""Runs of the daemon's jobs that a person asks for: from the request to their ends, whoever starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct, field

from strongroom import environment, local_state
from strongroom.daemon_jobs import Key, RunLog, history_reader, requests, with_output
from strongroom.settings import Settings
from vault import wording
from vault.errors import Busy, StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.scheduling.run import Run
    from policies.scheduling.run_history import RunHistoryReader

LOOK_EVERY = 0.3
"""Seconds between two looks at a run that was asked for."""

WRITTEN_WITHIN = 20
"""Looks at the history after which a run whose request was taken must be there."""


def _require_idle(key: Key, history: RunHistoryReader) -> None:
    """Raises `Busy` where a run of the job is under way."""
    run = next((run for run in history.recent(*key, 1) if run.ending is None), None)
    if run is not None:
        command = f"strongroom daemon logs {wording.quoted(key[1])} {wording.quoted(key[0])} --follow"
        raise Busy(
            f"{key[0]}/{key[1]} is running since {wording.moment(run.started)}",
            hint=f"follow it with `{command}`, or say --wait",
        )


class RequestedRuns(Struct):
    """Runs that were asked for, from the request to their ends. runs: the id of each job's."""

    settings: Settings
    runs: dict[Key, str]
    _reported: set[str] = field(default_factory=set)
    _reported_waiting: bool = False

    @classmethod
    @contextmanager
    def of(cls, settings: Settings, keys: Sequence[Key], *, wait: bool) -> Iterator[RequestedRuns]:
        """Ask for a run of each job; what has not started at the end is not wanted any more. wait: where one is running, it
        runs again afterwards. Raises `Busy` where one is running, `StrongroomError`."""
        asking, randomness = requests(settings), environment.services().randomness
        if not wait:
            with history_reader(settings) as history:
                for key in keys:
                    _require_idle(key, history)
        runs = {key: randomness.token(8).hex() for key in keys}
        try:
            for key, run_id in runs.items():
                asking.ask(run_id, *key)
            yield cls(settings, runs)
        finally:
            for run_id in runs.values():
                asking.withdraw(run_id)

    @property
    def waits(self) -> bool:
        """Whether one of them has not started."""
        asking = requests(self.settings)
        return any(asking.is_pending(run) for run in self.runs.values())

    def somebody_else_starts(self) -> bool:
        """Whether a daemon of this machine is there to do it."""
        from policies.scheduling import run_history_file

        file = local_state.folder(self.settings) / local_state.RUN_HISTORY
        try:
            return run_history_file.is_locked(file)
        except OSError as error:
            raise StrongroomError(f"{file} cannot be looked at: {error.strerror}") from error

    def require_started(self) -> None:
        """After this process was the daemon for them. Raises `StrongroomError`."""
        if self.waits and not self.somebody_else_starts():
            raise StrongroomError("the run could not be started", hint="what was said before this tells why")

    def over(self, report: Callable[[str], None]) -> bool:
        """Whether all have ended. report: hears what begins, and that the daemon lets one wait. Raises `UsageError` where the
        daemon does not know a job."""
        asking, ended = requests(self.settings), True
        for key, run_id in self.runs.items():
            pending = asking.is_pending(run_id)
            run = self._run(key, run_id)
            if run is None and not pending and self._is_unknown(key, run_id):
                raise UsageError(
                    f"the daemon that is running does not know the job {key[0]}/{key[1]}, or has ended before it wrote it down",
                    hint="have it read the settings anew: `systemctl reload strongroom`",
                )
            if run is not None and run_id not in self._reported:
                self._reported.add(run_id)
                report(f"{key[0]}/{key[1]}: started {wording.moment(run.started)}")
            ended = ended and run is not None and run.ending is not None
        if not ended and self.waits and not self._reported_waiting and self.somebody_else_starts():
            self._reported_waiting = True
            report("the daemon is running and was asked; it starts the run within seconds, or once there is room for it")
        return ended

    def logs(self) -> list[RunLog]:
        """What came of them."""
        found = [self._run(key, run_id) for key, run_id in self.runs.items()]
        return with_output(self.settings, [run for run in found if run is not None])

    def _run(self, key: Key, run_id: str) -> Run | None:
        """As the history has it now: the file may have been made since, or replaced."""
        with history_reader(self.settings) as history:
            return next((one for one in history.recent(*key) if one.id == run_id), None)

    def _is_unknown(self, key: Key, run_id: str) -> bool:
        """A run is written down right after its request was taken: look again a little later."""
        for _ in range(WRITTEN_WITHIN):
            environment.services().clock.sleep(LOOK_EVERY)
            if self._run(key, run_id) is not None:
                return False
        return True
