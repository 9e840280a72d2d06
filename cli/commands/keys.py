"""`strongroom keys …`: identities of people and hosts, and what is granted to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.commands import keys_grants, keys_rotation, recovery
from cli.options import EXIT_CODES, GLOBAL, Config, Identity, Json, Repository
from strongroom import context, environment
from vault import wording
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.key_holders import KeyHolder, ProjectHolders
    from strongroom.new_identity import PublicHalf

app = typer.Typer(
    help="Identities of people and hosts, what each may do with a project, and recovery kits.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("grant", epilog=EXIT_CODES)(keys_grants.grant)
app.command("revoke", epilog=EXIT_CODES)(keys_grants.revoke)
app.command("rotate", epilog=EXIT_CODES)(keys_rotation.rotate)
app.command("upgrade", epilog=EXIT_CODES)(keys_rotation.upgrade)
app.command("kit", epilog=EXIT_CODES)(recovery.kit)
app.command("check", epilog=EXIT_CODES)(recovery.check)


@app.command("new", epilog=EXIT_CODES)
def new(
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="Where it goes; there must be none. Default: the usual place of your identity.",
            envvar="STRONGROOM_IDENTITY",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the person or host, for people. Default: user@host.")
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Encrypt the file with a passphrase.")] = False,
    store_command: Annotated[
        str | None,
        typer.Option(
            "--store-command",
            metavar="COMMAND",
            help="Write no file: this command takes the identity on its standard input. Needs --command.",
        ),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option("--command", metavar="COMMAND", help="Prints what --store-command keeps; for [identity] of the settings."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an identity on the machine where it will live, and print its public half.

    The secret stays here, in a file that only its owner may read. Give the public half to whoever grants: `FILE.pub` has it as
    well. Compare the fingerprint by telephone.
    """
    from strongroom.new_identity import NewIdentityOptions, make_identity

    file = identity or environment.identity_file() if store_command is None else identity
    options = NewIdentityOptions(
        file=file,
        name=name,
        passphrase=prompts.new_passphrase if passphrase else None,
        store_command=store_command,
        command=command,
    )
    made = make_identity(options, environment.services().randomness)
    if as_json:
        output.document("keys-new/1", made.as_json())
        return
    if made.file is not None:
        output.result(f"Identity: {made.file} (new; keep a copy somewhere safe).")
        output.result(f"Its public half, also in {made.public_file}:\n")
    else:
        output.result("Identity: the command keeps it. Its public half:\n")
    show_public_half(made)
    given = made.public_file or "a file with these two lines"
    output.result(f"\nNext: send {given} to whoever grants, and compare the fingerprint with them by telephone.")


@app.command("show", epilog=EXIT_CODES)
def show(config: Config = None, identity: Identity = None, as_json: Json = False) -> None:
    """Print the public half of your identity: recipient, signing key and fingerprint."""
    from strongroom.new_identity import public_halves

    found = public_halves(identity or [], config)
    if as_json:
        output.document("keys-show/1", {"identities": [one.as_json() for one in found]})
        return
    for one in found:
        show_public_half(one)


def show_public_half(half: PublicHalf) -> None:
    """The two lines, and the fingerprint."""
    output.result(half.text.rstrip())
    output.result(f"\nFingerprint: {half.principal.fingerprint}")


@app.command("list", epilog=EXIT_CODES)
def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those whose grant has ended or was revoked, too.")] = False,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show who holds keys of a project: what they may do, since when, from whom, until when.

    SEEN is when they were at work last: as the log tells, where you may read it, and snapshots of the host of that name.
    """
    from strongroom.key_holders import list_holders

    with context.opened(config, identity, address=repository) as opened:
        found = list_holders(opened, projects or [], ended=every)
    if as_json:
        output.document("keys-list/1", {"projects": [one.as_json() for one in found]})
    else:
        _show_holders(found, every=every)
    output.finish([problem for one in found for problem in one.problems], refused=opened.refused)


def _show_holders(found: Sequence[ProjectHolders], *, every: bool) -> None:
    heads = ["PROJECT", "NAME", "MAY", "SINCE", "FROM", "UNTIL", "SEEN", "FINGERPRINT", *(["STATE"] if every else [])]
    cells = [_cells(one, every=every) for project in found for one in project.holders]
    output.tell_left_out(output.table(cells, heads, spare=[7, 4, 6]))
    for project in found:
        if not project.granted:
            output.notice(
                f"{project.project}: who holds its keys is not known, as it was made by an earlier version: run "
                "`strongroom keys upgrade`"
            )
        elif project.unknown:
            many = counted(len(project.unknown), "key object")
            output.notice(f"{project.project}: {many} of nobody who was granted anything: {', '.join(project.unknown)}")
        if project.rotating:
            output.notice(f"{project.project}: a rotation of its keys was begun and is not done")


def _cells(one: KeyHolder, *, every: bool) -> tuple[str, ...]:
    from vault.format import rights

    grant = one.grant
    seen = "-" if one.last_seen is None else wording.moment(one.last_seen)
    until = "-" if grant.until is None else wording.moment(grant.until)
    state = [one.state] if every else []
    may = rights.as_text(grant.rights)
    return (
        one.project,
        grant.name,
        may,
        wording.moment(grant.at),
        grant.by.name,
        until,
        seen,
        grant.principal.fingerprint,
        *state,
    )
