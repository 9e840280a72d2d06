"""The jobs that the runner gets, and what the answers of their runs mean."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from policies.daemon.child_processes import ProcessResult, Run
from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.scheduling.jobs import Job, Outcome, Slot, Stop
from vault.errors import Busy, Interrupted, StrongroomError
from vault.wording import counted

DONE, DONE_WITH_PROBLEMS = 0, 3
_COUNTS = {"added": "new", "changed": "changed", "vanished": "vanished"}

Command = Callable[[str, JobConfig], Sequence[str]]
"""The command that does a project's job, and answers with a JSON document."""


class RunFailed(StrongroomError):
    """A job's process ended without having done its work."""


def jobs(projects: Iterable[ProjectConfig], command: Command, run: Run) -> Iterator[Job]:
    """Every job of every project."""
    for project in projects:
        for one in project.jobs:
            work = partial(_work, command(project.name, one), run)
            if one.kind == "backup":
                yield Job(one.name, project.name, one.schedule, work, one.policy, rpo=project.rpo)
            else:
                slot: Slot = "copy" if one.kind in ("copy", "publish") else "maintenance"
                yield Job(one.name, project.name, one.schedule, work, one.policy, slot)


def _work(command: Sequence[str], run: Run, stop: Stop) -> Outcome:
    return outcome(run(command, stop))


def outcome(ended: ProcessResult) -> Outcome:
    """What a run came to. Raises `Interrupted`, `RunFailed`."""
    if ended.code == DONE:
        return Outcome(message=_error_of(ended.document))
    if ended.code == DONE_WITH_PROBLEMS:
        problems, first = _problems(ended)
        return Outcome(problems=problems, message=first)
    if ended.code < 0 and ended.asked:
        how = "did not end when it was asked to, and the daemon killed it" if ended.killed else "was ended by the daemon"
        raise Interrupted(f"the run {how}")
    message, hint = _error(ended)
    if ended.code == Busy.exit_code:
        raise RunFailed(_error_of(ended.document) or message, hint=hint)
    if ended.code == Interrupted.exit_code:
        raise Interrupted(message, hint=hint)
    raise RunFailed(message, hint=hint)


def reached(ended: ProcessResult) -> None:
    """Of a `status`: that it has asked the store. Raises `RunFailed` where it has not."""
    if ended.code in (DONE, DONE_WITH_PROBLEMS):
        return
    message, hint = _error(ended)
    raise RunFailed(message if not ended.asked else f"it did not answer in time: {message}", hint=hint)


def agent_ended(ended: ProcessResult) -> None:
    """Of the agent for a console, which ends where it is asked to. Raises `RunFailed` where it has ended otherwise."""
    if ended.asked or ended.code == DONE:
        return
    message, hint = _error(ended)
    raise RunFailed(message, hint=hint)


def _error_of(document: dict[str, Any]) -> str:
    """What a run did, in a few words."""
    parts = [
        describe(one)
        for name, describe in _DONE.items()
        for one in document.get(name, ()) or ()
        if isinstance(document.get(name), list) and isinstance(one, dict)
    ]
    return "; ".join(part for part in parts if part)


def _snapshot(one: dict[str, Any]) -> str:
    if one.get("skipped"):
        return f"{one.get('source')} was not backed up: {one['skipped']}"
    counts = ", ".join(f"{one.get(name, 0)} {word}" for name, word in _COUNTS.items())
    stored = f", {_size(one['stored_bytes'])} stored" if isinstance(one.get("stored_bytes"), int) else ""
    return f"snapshot {one.get('snapshot')}: {counts}{stored}{_failed_hooks(one)}"


def _failed_hooks(one: dict[str, Any]) -> str:
    found = one.get("hooks")
    hooks = [hook for hook in found if isinstance(hook, dict)] if isinstance(found, list) else []
    return "".join(f"; the hook {hook.get('hook')!r} failed: {hook['trouble']}" for hook in hooks if hook.get("trouble"))


def _drilled(one: dict[str, Any]) -> str:
    if not isinstance(one.get("items"), int):
        return ""
    return f"{counted(one['items'], 'file')} ({_size(one.get('bytes', 0))}) restored, {one.get('compared', 0)} compared"


def _of_project(one: dict[str, Any]) -> str:
    """A project of a check, a prune or retention, which can be told apart by what they say of it."""
    if "packs_read" in one:
        read = f"{counted(one['packs_read'], 'pack')} read ({_size(one.get('bytes_read', 0))})"
        return f"{counted(one.get('snapshots', 0), 'snapshot')} checked, {read}"
    if one.get("waiting"):
        return f"{counted(len(one['waiting']), 'backup is', 'backups are')} still under way; nothing was deleted"
    if "freed" in one:
        return f"{counted(one.get('deleted', 0), 'pack')} deleted, {_size(one['freed'])} freed"
    if isinstance(one.get("forgotten"), list):
        return f"{counted(len(one['forgotten']), 'snapshot')} forgotten"
    return ""


def _copied(one: dict[str, Any]) -> str:
    """A copy of the repository, with what became of each project."""
    return "; ".join(
        f"{counted(found['snapshots_copied'], 'snapshot')} copied, {_size(found.get('bytes_copied', 0))}"
        for found in one.get("projects") or ()
        if isinstance(found, dict) and isinstance(found.get("snapshots_copied"), int)
    )


def _published(one: dict[str, Any]) -> str:
    if not isinstance(one.get("files_written"), int):
        return ""
    written = f"{counted(one['files_written'], 'file')} written ({_size(one.get('bytes_written', 0))})"
    return f"{written}, {one.get('files_removed', 0)} deleted, {counted(one.get('unchanged', 0), 'item')} unchanged"


_DONE: dict[str, Callable[[dict[str, Any]], str]] = {
    "snapshots": _snapshot,
    "drills": _drilled,
    "projects": _of_project,
    "copy_list": _copied,
    "publication_list": _published,
}
DOCUMENTS = tuple(_DONE)
"""The parts of documents that say what was done."""


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB".replace(",", " ")


def log_heads(ended: ProcessResult) -> list[str]:
    """What the command that reads the heads of the log has found. Raises `StrongroomError` where it failed."""
    reached(ended)
    heads = ended.document.get("heads")
    return [one for one in heads if isinstance(one, str)] if isinstance(heads, list) else []


def _problems(ended: ProcessResult) -> tuple[int, str]:
    snapshots = [one for one in ended.document.get("snapshots", []) if isinstance(one, dict)]
    count = sum(int(one.get("problems", 0)) for one in snapshots)
    copied = [
        found for one in ended.document.get("copy_list", []) if isinstance(one, dict) for found in one.get("projects", [])
    ]
    published = [one for one in ended.document.get("publication_list", []) if isinstance(one, dict)]
    listed = [problem for one in (*snapshots, *copied, *published) for problem in one.get("problem_list", [])]
    count = count or len(listed)
    first = f"{listed[0]['path']}: {listed[0]['message']}" if listed else _error_of(ended.document) or _last_line(ended)
    return max(1, count), first


def _error(ended: ProcessResult) -> tuple[str, str | None]:
    error = ended.document.get("error")
    if isinstance(error, dict):
        return str(error.get("message")), error.get("hint")
    for one in ended.document.get("snapshots", []):
        if isinstance(one.get("error"), dict):
            return str(one["error"].get("message")), one["error"].get("hint")
    damage = [line for one in ended.document.get("projects", []) for line in one.get("damage", [])]
    if damage:
        return f"damaged: {damage[0]}", None
    if ended.code < 0:
        return f"it was killed by {_signal(-ended.code)}", "was there enough memory?"
    return _last_line(ended) or f"it ended with exit code {ended.code}", None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(ended: ProcessResult) -> str:
    lines = [line for line in ended.errors.splitlines() if not line.startswith("hint: ")]
    return lines[-1].removeprefix("strongroom: error: ") if lines else ""
