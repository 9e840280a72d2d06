"""`strongroom recover ADDRESS`: a machine that knows nothing is set up by the recovery kit, and gets its data back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import kit_prompts, recovery_run
from cli.address_options import SETTINGS_FILE, NewSettings, Passphrase
from cli.commands.settings import settings_choice
from cli.options import DESTINATION, GLOBAL, Json, Quiet, Yes
from cli.recovery_run import FirstRestore
from cli.restore_request import RunOptions
from strongroom import context, recovery_kit

DONE_WITH_PROBLEMS = 3


def recover(
    address: Annotated[
        str,
        typer.Argument(metavar="ADDRESS", help="A folder, or s3://bucket/prefix (with ?endpoint=URL&region=NAME behind it)."),
    ],
    kits: Annotated[
        list[Path] | None,
        typer.Option("--kit", metavar="FILE", help="The kit, or a share of it; may be given again. Default: it is typed."),
    ] = None,
    config: NewSettings = SETTINGS_FILE,
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="Where this machine's new identity goes. Default: where the settings say.",
            envvar="STRONGROOM_IDENTITY",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    no_identity: Annotated[
        bool, typer.Option("--no-identity", help="Make no identity: the kit is used for this one run.")
    ] = False,
    passphrase: Passphrase = False,
    host: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="The settings of the machine of this name.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="The settings as they were then, or a copy's id. Default: now.")
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Also settings of which nothing proves who wrote them.")
    ] = False,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Restore this project alone.", rich_help_panel=DESTINATION)
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Restore back below the folders of the sources.", rich_help_panel=DESTINATION)
    ] = False,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Restore to a folder.", rich_help_panel=DESTINATION)] = "",
    no_restore: Annotated[bool, typer.Option("--no-restore", help="Restore nothing now.", rich_help_panel=DESTINATION)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and write nothing.")] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring a lost machine back: with the recovery kit, or enough of its shares, and the repository's address.

    On a machine that knows nothing it makes an identity and seals every project to it, brings the settings back, remembers what
    the repository has, and restores. It says first what it will do, which commands the settings will run, and what is missing
    on this machine; then it asks. The kit is stored nowhere. Interrupted or not, the same command again goes on from what is
    there: an identity and settings that stand are used as they are.

    Without a terminal name the kit with --kit, say --yes, and one of --in-place, --to DIR and --no-restore.
    """
    from strongroom.machine_recovery import RecoveryOptions

    wanted = FirstRestore(in_place=in_place, to=to, nothing=no_restore, project=project)
    wanted.check(decided=dry_run)
    found = kit_prompts.loaded(kits or [])
    run = RunOptions(dry_run=dry_run, yes=yes, quiet=quiet, as_json=as_json)
    with context.opened_with(found, None, brief=True, address=address) as opened:
        recovery_kit.verify_repository(kits or [], opened.repository.descriptor.repository)
        choice = settings_choice(host, at, unverified=unverified)
        options = RecoveryOptions(settings=config, identity=identity, no_identity=no_identity, choice=choice)
        done = recovery_run.set_up(opened, found, options, wanted, run, passphrase=passphrase)
    code = DONE_WITH_PROBLEMS if done.refused else 0
    if done.own:
        code = max(code, recovery_run.restore(done, run))
    recovery_run.finish(done, run)
    if code:
        raise typer.Exit(code)
