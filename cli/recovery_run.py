"""A lost machine that comes back, step by step: shown, asked about, done, shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec import Struct, field
from msgspec.structs import replace

from cli import output, progress, prompts
from cli.restore_request import RestoreRequest, RunOptions
from cli.restore_run import restore_all, restore_project
from strongroom import context, environment
from strongroom import machine_recovery as recoveries
from vault import wording
from vault.errors import NothingFound, UsageError
from vault.problems import Problem, printable
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.machine_recovery import MachineRecovery, RecoveryOptions
    from strongroom.settings_restore import Found
    from vault.age import HybridIdentity

_RESTORES = ("everything, back in place below the folders of the sources", "everything, to a folder", "nothing now")
_KEPT = ("project", "project_id", "found", "exit_code", "files", "bytes", "problems", "error")
"""What the document says of the restore of a project."""


class FirstRestore(Struct, frozen=True, kw_only=True):
    """What is restored once the machine is set up. nothing: not now · project: None: all."""

    in_place: bool = False
    to: str = ""
    nothing: bool = False
    project: str | None = None

    def check(self, *, decided: bool) -> None:
        """decided: nothing will be restored, whatever is said. Raises `UsageError`."""
        chosen = sum((self.in_place, bool(self.to), self.nothing))
        if chosen > 1:
            raise UsageError("--in-place, --to and --no-restore exclude each other", hint="leave all but one of them out")
        if not chosen and not decided and not environment.is_interactive():
            raise UsageError(
                "missing first restore: there is no terminal to ask what is to be restored",
                hint="say --in-place, --to DIR or --no-restore",
            )

    def asked(self) -> FirstRestore:
        """With what a person chooses, where nothing is said."""
        if self.in_place or self.to or self.nothing or not environment.is_interactive():
            return self
        chosen = prompts.choose("What is to be restored at the end?", _RESTORES)
        if chosen == 0:
            return replace(self, in_place=True)
        if chosen == 1:
            return replace(self, to=typer.prompt("To which folder", err=True))
        return replace(self, nothing=True)

    def in_words(self) -> str:
        """For the plan."""
        if self.nothing or not (self.in_place or self.to):
            return "nothing now"
        what = "everything" if self.project is None else f"project {self.project}"
        return f"{what}, {'back in place' if self.in_place else f'to {self.to}'}; its own plan is shown first"


class SetUpMachine(Struct):
    """What came of it. own: identities of this machine for what follows; none where nothing was done · restored: what became of
    each project, for `--json`."""

    planned: MachineRecovery
    wanted: FirstRestore
    refused: tuple[Problem, ...]
    own: Sequence[HybridIdentity] = ()
    snapshots: int = 0
    restored: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        about = {"done": bool(self.own), "snapshots": self.snapshots, "restored": self.restored}
        return self.planned.as_json() | about | {"refused": [one.as_json() for one in self.refused]}


def set_up(
    opened: Context,
    kits: Sequence[HybridIdentity],
    options: RecoveryOptions,
    wanted: FirstRestore,
    run: RunOptions,
    *,
    passphrase: bool,
) -> SetUpMachine:
    """Show what would be done, ask, and do it. opened: by the address, with the kits alone. Raises what
    `strongroom.machine_recovery` raises, `typer.Abort`."""
    with progress.phase("reading what there is", project="recovery", quiet=run.quiet, as_json=run.as_json):
        planned = recoveries.plan(opened, _with_chosen_copy(opened, options))
    wanted = wanted.asked()
    _show_plan(planned, wanted, opened.refused)
    done = SetUpMachine(planned, wanted, tuple(opened.refused))
    if run.dry_run:
        return done
    prompts.confirm("Set this machine up so?", yes=run.yes, undone="nothing was written")
    own = recoveries.make_identity(opened, planned, prompts.new_passphrase if passphrase else None)
    _said(run, _identity_done(planned))
    recoveries.write_settings(planned, opened, kits)
    _said(run, _settings_done(planned))
    done.snapshots = recoveries.remember(opened, planned)
    _said(run, f"memory: {counted(len(planned.projects), 'project')}, {counted(done.snapshots, 'snapshot')}")
    done.own = [own] if own is not None else list(kits)
    return done


def _with_chosen_copy(opened: Context, options: RecoveryOptions) -> RecoveryOptions:
    """Where several machines have copies of their settings, a person chooses."""
    if options.settings.exists() or not environment.is_interactive():
        return options
    copies = recoveries.copies_to_choose_from(opened, options.choice)
    chosen = prompts.choose("Which machine is to come back?", [_of(one) for one in copies])
    if chosen is None:
        return options
    return replace(options, choice=replace(options.choice, host=None, at=None, id=copies[chosen].copy.id))


def _of(one: Found) -> str:
    host, file = printable(one.copy.host.encode()), printable(one.copy.file.encode())
    return f"{host} ({file}), settings of {wording.moment(one.copy.written_at)}"


def _show_plan(planned: MachineRecovery, wanted: FirstRestore, refused: Sequence[Problem]) -> None:
    names = ", ".join(one.name for one in planned.projects)
    opens = f"{counted(len(planned.projects), 'project')}: {names}" if planned.projects else "no project: it has none yet"
    output.notice(f"Repository {planned.repository} at {planned.address}. The kit opens {opens}.")
    output.problems(refused)
    output.notice("What will be done:")
    for number, line in enumerate(_steps(planned, wanted), 1):
        output.notice(f"  {number}. {line}")
    needs = planned.settings.needs
    for key, text in needs.commands.items():
        output.notice(f"will run a command: {key}: {printable(text.encode())}")
    for key, text in needs.missing.items():
        if key != "identity.file" or planned.identity.file is None:
            output.notice(f"missing on this machine: {key}: {printable(text.encode('utf-8', 'surrogateescape'))}")
    for note in (*planned.settings.changed, *needs.notes):
        output.notice(f"notice: {note}")


def _steps(planned: MachineRecovery, wanted: FirstRestore) -> list[str]:
    identity, settings = planned.identity, planned.settings
    if identity.file is None:
        first = "identity: none; the kit is used for this run, and stored nowhere"
    else:
        there = "yours, as it is" if identity.existing is not None else "a new one (0600)"
        keys = f"; sealed to it: {', '.join(identity.unsealed)}" if identity.unsealed else ""
        first = f"identity: {identity.file}, {there}{keys}"
    if settings.text is None:
        second = f"settings: {settings.file}, as they are"
    elif settings.copy is None:
        second = f"settings: {settings.file}, new ones without sources"
    else:
        second = f"settings: {settings.file}, those of {_of(settings.copy)}"
    third = "memory: the ids of the repository and its projects, their keys, the snapshots that there are"
    return [first, second, third, f"restore: {wanted.in_words()}"]


def _said(run: RunOptions, line: str) -> None:
    if not run.as_json:
        output.result(line)


def _identity_done(planned: MachineRecovery) -> str:
    step = planned.identity
    if step.file is None:
        return "identity: none was made"
    made = "is yours, as it was" if step.existing is not None else "is new; keep a copy somewhere safe"
    return f"identity: {step.file} {made}; it opens {counted(len(planned.projects), 'project')}"


def _settings_done(planned: MachineRecovery) -> str:
    step = planned.settings
    return f"settings: {step.file} {'are as they were' if step.text is None else 'are written'}"


def restore(done: SetUpMachine, run: RunOptions) -> int:
    """The first restore, by the settings and the identity that are there now. Gives the exit code. Raises what a restore
    raises."""
    from strongroom.selection import SelectionOptions

    wanted = done.wanted
    if wanted.nothing or not (wanted.in_place or wanted.to):
        return 0
    documents: list[dict[str, Any]] = []
    own = replace(run, document=lambda _schema, value: documents.append(value)) if run.as_json else run
    request = RestoreRequest(to=wanted.to, in_place=wanted.in_place, run=own)
    code = 0
    with context.opened_with(done.own, done.planned.settings.file) as opened:
        try:
            if wanted.project is None:
                restore_all(opened, SelectionOptions(), request)
            else:
                restore_project(opened, prompts.project(opened, wanted.project), SelectionOptions(), request)
        except typer.Exit as end:
            code = end.exit_code
        except NothingFound as error:
            output.notice(f"nothing to restore: {error}")
    done.restored = [_in_short(one, wanted, code) for found in documents for one in found.get("projects", [found])]
    return code


def _in_short(found: dict[str, Any], wanted: FirstRestore, code: int) -> dict[str, Any]:
    one = found if "found" in found else {"project": wanted.project, "found": True, "exit_code": code} | found
    return {name: one[name] for name in _KEPT if name in one}


def finish(done: SetUpMachine, run: RunOptions) -> None:
    """The document, or what comes next."""
    if run.as_json:
        output.document("recover/1", done.as_json())
        return
    if not done.own:
        return
    file = done.planned.settings.file
    config = "" if file == Path("strongroom.toml").absolute() else f" --config {quoted(str(file))}"
    output.notice("The kit was not stored: lock it away again.")
    if done.planned.granted:
        output.notice(
            "What the lost machine held still opens everything: `strongroom keys list` shows it, "
            "`strongroom keys revoke NAME` and `strongroom keys rotate PROJECT` end that"
        )
    if done.wanted.nothing:
        output.notice(f"Next: strongroom restore --all-projects --in-place{config}, then strongroom backup{config}")
    else:
        output.notice(f"Next: strongroom backup{config}, by hand, before the daemon starts")
