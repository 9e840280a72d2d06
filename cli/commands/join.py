"""`strongroom join ADDRESS`: settings and an identity on another machine, and what to send to whoever grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.address_options import (
    SETTINGS_FILE,
    Endpoint,
    NewIdentity,
    NewSettings,
    Passphrase,
    PathStyle,
    Profile,
    Region,
    portable,
    repository_of,
)
from cli.commands.keys import show_public_half
from cli.options import Json
from strongroom import environment
from vault.wording import quoted

if TYPE_CHECKING:
    from strongroom.join import Joined


def join(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A folder, file:/folder, or s3://bucket/prefix.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of this machine or person, for people. Default: user@host.")
    ] = None,
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    config: NewSettings = SETTINGS_FILE,
    identity: NewIdentity = None,
    passphrase: Passphrase = False,
    as_json: Json = False,
) -> None:
    """Set this machine up for a repository that is there: settings, an identity, and what to send to whoever grants.

    Once they have granted keys, run the same again: it says what this machine may do, and how to go on.
    """
    from strongroom.join import JoinOptions
    from strongroom.join import join as set_up

    repository = repository_of(portable(address), endpoint, region, profile, path_style=path_style)
    done = set_up(
        JoinOptions(
            repository=repository,
            settings=config,
            identity=identity or environment.identity_file(),
            name=name,
            passphrase=prompts.new_passphrase if passphrase else None,
        )
    )
    if as_json:
        output.document("join/1", done.as_json())
        return
    output.result(f"Repository {done.repository}; settings: {done.settings}{' (new)' if done.new_settings else ''}.")
    for sentence in done.refused:
        output.notice(f"refused: {sentence}")
    if done.granted:
        _granted(done)
    else:
        _asks_for_a_grant(done)


def _asks_for_a_grant(done: Joined) -> None:
    output.result(f"Identity: {done.half.file}{' (new)' if done.new_identity else ''}. Nothing is granted to it yet.\n")
    show_public_half(done.half)
    file = "" if done.half.public_file is None else done.half.public_file.name
    output.result(f"\nNext: send {done.half.public_file} to somebody who may grant. They run, and compare the fingerprint:\n")
    output.result(f"  strongroom keys grant {quoted(file)} --name {quoted(done.half.name)} --project PROJECT --as write\n")
    output.result("Then run this again.")


def _granted(done: Joined) -> None:
    output.result(f"{done.half.name} holds keys:\n")
    output.table(
        [(one.project, one.capability, ", ".join(one.rights) or "-", one.project_id) for one in done.projects],
        ["PROJECT", "CAPABILITY", "MAY", "ID"],
    )
    writable = next((one.project for one in done.projects if one.capability in ("write", "read")), None)
    if writable is not None:
        output.result(f"\nNext: name what is to be backed up in {done.settings} (see `strongroom settings example`):\n")
        output.result(f'  [[projects.{writable}.sources]]\n  kind = "reports"\n  path = "/srv/reports"\n')
        output.result("then: strongroom backup")
