"""A run as a process of its own, from its start to its end. Its time limit is `JobPolicy.timeout`, which `jobs.Stop` says.

It is asked to stop by SIGTERM, upon which every command of ours withdraws within seconds; one that does not is killed. What it
prints goes to files without a name: nothing that it says can fill memory or a pipe.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from msgspec import Struct
from msgspec.structs import replace

from policies.daemon.warm_parent import ForkedRun, ParentLost, WarmParent
from policies.scheduling.jobs import Stop
from vault.errors import StrongroomError

LOOK_EVERY = 0.2
"""Seconds between two looks whether it has ended or is to end."""

KILL_AFTER = 10.0
"""Seconds from SIGTERM to SIGKILL."""

LARGEST_ANSWER = 8 * 1024 * 1024
LAST_WORDS = 4096


class ProcessResult(Struct, frozen=True):
    """code: exit code, negative for a signal · document: what it printed, empty where that is no JSON document · errors: the
    end of what it said to people · asked: it was asked to end · killed: it was, and had to be killed."""

    code: int
    document: dict[str, Any]
    errors: str
    asked: bool = False
    killed: bool = False


class Children(Struct, frozen=True):
    """Starts processes. environment: theirs · kill_after: seconds that they have to end · warm: forks them where it can."""

    environment: Mapping[str, str]
    kill_after: float = KILL_AFTER
    warm: WarmParent | None = None

    def run(self, command: Sequence[str], stop: Stop) -> ProcessResult:
        """Raises `StrongroomError` where it cannot be started."""
        try:
            forked = self._forked(command, stop)
            return forked if forked is not None else self._executed(command, stop)
        except OSError as error:
            raise StrongroomError(
                f"the run could not be started: {error.strerror}",
                hint="free some memory, processes or space for temporary files",
            ) from error

    def _executed(self, command: Sequence[str], stop: Stop) -> ProcessResult:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            ended = _waited_for(_Program(self._started(command, out, errors)), stop, self.kill_after)
            return replace(ended, document=_document(out), errors=_end_of(errors))

    def _forked(self, command: Sequence[str], stop: Stop) -> ProcessResult | None:
        """None where it has to be started as a program, perhaps once more: it ends with its parent."""
        if self.warm is None:
            return None
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            run = self.warm.start(command, self.environment, out, errors)
            if run is None:
                return None
            try:
                ended = _waited_for(run, stop, self.kill_after)
            except ParentLost:
                run.wait_without_parent(self.kill_after)
                self.warm.warm_up()
                if not stop():
                    return None
                ended = ProcessResult(-signal.SIGTERM, {}, "", asked=True)
            finally:
                run.close()
            return replace(ended, document=_document(out), errors=_end_of(errors))

    def _started(self, command: Sequence[str], out: IO[bytes], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (our own command line, no shell)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            env=dict(self.environment),
            start_new_session=True,  # a person's Ctrl-C is for the daemon, which then asks its runs to end
        )


class _Program(Struct, frozen=True):
    """A process of ours."""

    process: subprocess.Popen[bytes]

    def wait(self, timeout: float | None = None) -> int:
        return self.process.wait(timeout)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _waited_for(process: _Program | ForkedRun, stop: Stop, kill_after: float) -> ProcessResult:
    """Raises `ParentLost`."""
    asked_at: float | None = None
    while True:
        with suppress(subprocess.TimeoutExpired):
            return ProcessResult(process.wait(LOOK_EVERY), {}, "", asked=asked_at is not None)
        now = stop.clock.monotonic()
        if asked_at is None and stop():
            process.terminate()
            asked_at = now
        elif asked_at is not None and now - asked_at > kill_after:
            process.kill()
            return ProcessResult(process.wait(), {}, "", asked=True, killed=True)


def _document(out: IO[bytes]) -> dict[str, Any]:
    out.seek(0)
    text = out.read(LARGEST_ANSWER + 1)
    if len(text) > LARGEST_ANSWER:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _end_of(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - LAST_WORDS))
    return errors.read().decode("utf-8", "replace").strip()


Run = Callable[[Sequence[str], Stop], ProcessResult]
"""Runs a command to its end; `Children.run` is one."""
