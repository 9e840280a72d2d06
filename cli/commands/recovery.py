"""`strongroom keys kit` and `keys check`: a new recovery kit, and whether one still opens everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import kit_prompts, output
from cli.commands.init import show_kit
from cli.options import Config, Json, Repository, Shares, Threshold
from cli.options import Identity as IdentityFiles
from strongroom import context, recovery_kit
from vault import wording
from vault.errors import UsageError
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from strongroom.new_recovery_kit import SealedKit
    from strongroom.recovery_check import KitProof, ProjectProof

DONE_WITH_PROBLEMS = 3

Kits = Annotated[
    list[Path] | None,
    typer.Option("--kit", metavar="FILE", help="The kit, or a share of it; may be given again. Default: it is typed."),
]


def kit(
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="Write the kit there as plain text; - shows it, which is the default.")
    ] = "",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page to be printed, with QR codes.")
    ] = None,
    shares: Shares = None,
    threshold: Threshold = None,
    existing: Annotated[
        list[Path] | None,
        typer.Option(
            "--existing",
            metavar="FILE",
            help="Make no new kit: seal to this one what it does not open yet. For each share once.",
        ),
    ] = None,
    config: Config = None,
    identity: IdentityFiles = None,
    as_json: Json = False,
) -> None:
    """Make a recovery kit for a repository that is in use: a second key to everything, on paper, stored nowhere.

    Every project is sealed to it, and the settings name it, so that projects to come are, too; kits that there were stay. With
    --shares 3 --threshold 2 it is in three pieces for three places, of which any two open everything; each goes to a file of
    its own, such as kit-1-of-3.txt. With --json the kit is shown only if --to - is said.

    With --existing a kit is completed that there is already: after a run of this command that was interrupted, or where
    `keys check` says that it does not open everything.
    """
    from strongroom import new_recovery_kit
    from strongroom.recovery_kit import KitOptions

    made = bool(shares or threshold or to or html)
    if existing and made:
        raise UsageError("--existing completes a kit, and makes none", hint="leave --to, --html, --shares and --threshold out")
    if as_json and not existing and not to and html is None:
        raise UsageError(
            "--json shows no secret, and the kit is stored nowhere", hint="name a file with --to FILE, or say --to -"
        )
    options = KitOptions(shares=shares, needed=threshold, text=Path(to) if to not in ("", "-") else None, page=html)
    shown: list[str] = []
    kits = kit_prompts.loaded(existing) if existing else []
    with context.opened(config, identity) as opened:
        if existing:
            recovery_kit.verify_repository(existing, opened.repository.descriptor.repository)
            found = new_recovery_kit.complete(opened, kits)
        else:
            found = [new_recovery_kit.make_kit(opened, options, shown.append if as_json else _show)]
    if as_json:
        output.document("keys-kit/1", {"kits": [one.as_json() for one in found], "recovery_kit": "".join(shown) or None})
    else:
        _report(found, completed=bool(existing))
    if any(one.refused for one in found):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _show(text: str) -> None:
    show_kit((), text, None)


def _report(found: list[SealedKit], *, completed: bool) -> None:
    for one in found:
        if completed:
            sealed = ", ".join(one.sealed) or "nothing: it was complete"
            output.result(f"Recovery kit {one.kit} opens {counted(len(one.projects), 'project')}; sealed to it now: {sealed}.")
            if not one.in_settings:
                output.result("  The settings name it now.")
            continue
        output.result(f"Recovery kit {one.kit} opens {counted(len(one.projects), 'project')}, and those to come.")
        if one.files:
            show_kit(one.files, None, one.threshold)
        option = quoted(str(one.files[0])) if len(one.files) == 1 else "FILE"
        output.notice(f"Does it work? strongroom keys check --kit {option}")


def check(
    kits: Kits = None,
    repository: Repository = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Prove that a recovery kit still opens everything: of each project its keys, the newest snapshot, and every chunk of a
    pack of content, read as another machine would; and the copies of the settings.

    Where no file is named, the kit is typed: its key, or the words of enough shares. This machine's identity is not used. When
    it was proven is noted on this machine: `status`, drills and the daemon remind of it after the time that the settings say
    (`recovery.check_within`). Ends with exit code 12 where the kit does not open a project, 20 where something is damaged, and
    3 where the settings do not name the kit, or no copy of them opens with it.
    """
    from strongroom.recovery_check import check_kit

    found = kit_prompts.loaded(kits or [])
    with context.opened(config, brief=True, address=repository, at_hand=found) as opened:
        recovery_kit.verify_repository(kits or [], opened.repository.descriptor.repository)
        proofs = [check_kit(opened, one) for one in found]
    errors = [one.error for one in proofs if one.error is not None]
    if as_json:
        first = {"error": errors[0].as_json()} if errors else {}
        output.document("keys-check/1", {"kits": [one.as_json() for one in proofs]} | first)
    else:
        for one in proofs:
            _show_proof(one)
    for error in errors:
        output.failure(error)
    if errors:
        raise typer.Exit(errors[0].exit_code)
    if any(one.shortfalls for one in proofs):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _show_proof(proof: KitProof) -> None:
    verdict = "opens everything" if proof.error is None else "does NOT open everything"
    output.result(f"Recovery kit {proof.kit} {verdict}.")
    for one in proof.projects:
        output.result(f"  {one.name}: {_in_words(one)}")
    if not proof.projects:
        output.result("  The repository has no project yet.")
    if proof.settings_copy is not None:
        output.result(f"  The newest copy of settings that opens is of {wording.moment(proof.settings_copy)}.")
    for shortfall in proof.shortfalls:
        output.notice(f"notice: {shortfall}")


def _in_words(one: ProjectProof) -> str:
    if one.found is None:
        return f"NOT opened: {one.error}"
    if one.found.snapshot is None:
        return "opens; nothing is stored in it yet"
    opened = f"opens; snapshot {one.found.snapshot} with {counted(one.found.items, 'item')}"
    if one.found.pack is None:
        return f"{opened}, which need no content"
    return f"{opened}, {counted(one.found.chunks, 'chunk')} of a pack ({wording.size(one.found.bytes)}) compared"
