"""Commands that the settings name around the backup of a source: before it, after it, and where it failed.

    run = HookRun(hooks_of(settings, project, source), …)
    if run.before():          # False: the source is to be skipped
        …                     # the backup
    run.after("done", snapshot)

A command runs without a shell, in the folder of the settings file, in a process group of its own; when its time is up, or the
run is interrupted, the whole group is ended. Of its output the end is kept: it is shown where the command failed, and as a
detail otherwise. That a command failed is a problem of the backup.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from strongroom import environment, notices
from strongroom.settings import durations
from vault.problems import Problem, printable
from vault.process_group import OutputTail, end, reason
from vault.progress import Stop
from vault.wording import duration

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.projects import HookSettings, SourceSettings
    from vault.clock import Clock

HookName = Literal["before", "on_failure", "after"]
Result = Literal["done", "problems", "failed", "skipped", "interrupted"]

LOOK_EVERY = 0.05
"""Seconds."""

GRACE = 5.0
"""Seconds from asking a command to end to ending it."""

HURRY = 0.3
"""Seconds that an interrupted run waits for a command: its own end is near."""

LINES_SHOWN = 10


class HookOutcome(Struct, frozen=True):
    """What became of one command. exit_code: None where it did not end by itself, or could not be started · seconds: it took ·
    output: the end of what it printed, safe to show · trouble: why it failed, empty where it did not."""

    hook: HookName
    command: tuple[str, ...]
    exit_code: int | None
    seconds: float
    output: tuple[str, ...]
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "hook": self.hook,
            "command": [printable(os.fsencode(word)) for word in self.command],
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "output": list(self.output),
            "trouble": self.trouble or None,
        }


def hooks_of(settings: Settings, project: str, source: SourceSettings) -> HookSettings:
    """The commands around the backup of a source: its own, else its project's, key by key."""
    above = settings.project(project).hooks
    own = source.hooks
    return above if own is None else above.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


class HookRun(Struct):
    """The commands of one backup. source_place: the source's folder, or its URL · folder: that they run in · stop: called often
    while one runs; what it raises ends it · outcomes: of those that ran."""

    hooks: HookSettings
    project: str
    source: str
    source_place: str
    folder: Path
    clock: Clock
    stop: Stop
    outcomes: list[HookOutcome] = field(default_factory=list)
    _begun: set[HookName] = field(default_factory=set)

    @property
    def failed(self) -> list[HookOutcome]:
        """Those that failed."""
        return [one for one in self.outcomes if one.trouble]

    @property
    def problems(self) -> list[Problem]:
        """Their failures, as problems of the backup."""
        path = f"{self.project}/{self.source}".encode()
        return [Problem(path, "hook", f"the hook {one.hook!r} failed: {one.trouble}") for one in self.failed]

    def before(self) -> bool:
        """Run the command before the backup; whether the source is to be backed up."""
        outcome = self._run("before", {})
        return outcome is None or not outcome.trouble or self.hooks.when_it_fails == "backup"

    def after(self, result: Result, snapshot: str = "", error: str = "") -> None:
        """Run what follows and has not begun yet. result: of the backup · snapshot: that was made · error: what ended it."""
        known = {"STRONGROOM_RESULT": result, "STRONGROOM_SNAPSHOT": snapshot, "STRONGROOM_ERROR": error.replace("\0", "")}
        hooks: list[HookName] = ["after"]
        if result not in ("done", "problems") or any(one.hook == "before" for one in self.failed):
            hooks.insert(0, "on_failure")
        for hook in [one for one in hooks if one not in self._begun]:
            if result == "interrupted":
                self._start_only(hook, known)
            else:
                self._run(hook, known)

    def _run(self, hook: HookName, known: Mapping[str, str]) -> HookOutcome | None:
        command = self._command(hook)
        if not command:
            return None
        begun, output = self.clock.monotonic(), OutputTail()
        try:
            process = self._started(hook, known, subprocess.PIPE)
        except (OSError, ValueError) as error:
            exit_code, trouble = None, f"it could not be started: {getattr(error, 'strerror', None) or error}"
        else:
            output.read(process.stdout)
            exit_code, trouble = self._waited_for(process)
        outcome = HookOutcome(hook, command, exit_code, self.clock.monotonic() - begun, output.lines(), trouble)
        self.outcomes.append(outcome)
        self._tell(outcome)
        return outcome

    def _start_only(self, hook: HookName, known: Mapping[str, str]) -> None:
        """When the run is interrupted: it has no time to wait, and what cleans up must not be cut short."""
        if self._command(hook):
            with suppress(OSError, ValueError, subprocess.TimeoutExpired):
                self._started(hook, known, subprocess.DEVNULL).wait(HURRY)

    def _command(self, hook: HookName) -> tuple[str, ...]:
        commands = {"before": self.hooks.before, "on_failure": self.hooks.on_failure, "after": self.hooks.after}
        return commands[hook]

    def _started(self, hook: HookName, known: Mapping[str, str], out: int) -> subprocess.Popen[bytes]:
        """In a session of its own, whose leader it is. Raises `OSError`, `ValueError`."""
        self._begun.add(hook)
        own = {
            "STRONGROOM_HOOK": hook,
            "STRONGROOM_PROJECT": self.project,
            "STRONGROOM_SOURCE": self.source,
            "STRONGROOM_SOURCE_PATH": self.source_place,
        }
        return subprocess.Popen(  # noqa: S603 (the settings' owner names the command; no shell is involved)
            list(self._command(hook)),
            cwd=self.folder,
            env=environment.for_hooks({**own, **known}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _waited_for(self, process: subprocess.Popen[bytes]) -> tuple[int | None, str]:
        """Its exit code, and why it failed."""
        begun, limit = self.clock.monotonic(), durations.read(self.hooks.timeout).total_seconds()
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(LOOK_EVERY)
                    return code, reason(code)
                self.stop()
                if self.clock.monotonic() - begun > limit:
                    end(process, GRACE)
                    return None, f"it did not end within {self.hooks.timeout}, and was ended"
        except BaseException:
            end(process, HURRY)
            raise

    def _tell(self, outcome: HookOutcome) -> None:
        say: Callable[[str], None] = notices.notice if outcome.trouble else notices.detail
        about = f"{self.project}/{self.source}: the hook {outcome.hook!r}"
        for line in outcome.output[-LINES_SHOWN:]:
            say(f"{about} said: {line}")
        if not outcome.trouble:
            notices.detail(f"{about} took {duration(outcome.seconds)}")
