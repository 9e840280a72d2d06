"""`strongroom keys grant` and `keys revoke`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import Config, Identity, Json, Yes
from strongroom import time_parsing
from strongroom.context import opened
from vault import wording
from vault.errors import KeyRefused, UsageError
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.context import Context
    from strongroom.grants import GrantOptions, RevocationPlan


class Right(StrEnum):
    """What may be granted with `--as`."""

    write = "write"
    read = "read"
    audit = "audit"


MEANINGS = {
    "write": "back up, find, forget and prune; see names, and no content",
    "read": "back up, restore, read everything, forget and prune; without an end also grant, revoke and rotate",
    "audit": "read the log",
    "catalogue": "see names, sizes and times, and write nothing",
}
Projects = Annotated[
    list[str] | None, typer.Option("--project", "-p", metavar="PROJECT", help="Of this project; may be given again.")
]


def grant(
    recipient: Annotated[
        str, typer.Argument(metavar="RECIPIENT", help="The FILE.pub of `keys new`, or its lines: age1pq1… ssh-ed25519 …")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the person or host, for people.")],
    rights: Annotated[
        list[Right], typer.Option("--as", metavar="write|read|audit", help="What they may do; may be given again.")
    ],
    project: Projects = None,
    every: Annotated[bool, typer.Option("--all-projects", help="In every project that your identity opens.")] = False,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="With --as audit: names, sizes and times, too.")] = False,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="When it ends. Default: never.")] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="TEXT", help="As they have read it to you; answers the question."),
    ] = None,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Grant a person or a host keys of a project.

    It takes the right to read, without an end. Whoever has it already gets these rights in the place of those from before.
    """
    from strongroom.grants import GrantOptions, grant_keys, read_recipient

    principal = read_recipient(recipient)
    if not project and not every:
        raise UsageError(
            "missing project: use --project NAME or --all-projects", hint="see them with `strongroom project list`"
        )
    _compare(principal.fingerprint, fingerprint)
    with opened(config, identity) as context:
        chosen = context.projects([] if every else project or [])
        asked = [one.value for one in rights] + (["catalogue"] if catalogue else [])
        options = GrantOptions(
            principal=principal, name=name, rights=tuple(asked), until=None if until is None else _end(context, until)
        )
        _show(options, [one.name for one in chosen])
        if fingerprint is None:
            prompts.confirm(
                f"Is {principal.fingerprint} the fingerprint that {name} has?", yes=yes, undone="nothing was granted"
            )
        done = grant_keys(context, chosen, options)
    if as_json:
        output.document("keys-grant/1", {"grants": [one.as_json() for one in done]})
        return
    for one in done:
        output.result(f"{one.grant.name} holds keys of {one.project} ({', '.join(one.grant.rights)}).")


def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the person or host, or their fingerprint.")],
    project: Projects = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the repository.")] = "",
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Take all keys away from a person or a host. Default: in every project.

    Their key objects are deleted, and their commands are refused from then on. What they can open all the same is said before
    and after: rotate the keys, so that it is nothing that comes.
    """
    from strongroom.grants import plan_revocation, revoke_keys

    with opened(config, identity) as context:
        chosen = context.projects(project or [])
        plans = plan_revocation(context, chosen, name)
        for one in plans:
            _show_plan(one)
        prompts.confirm(f"Revoke all keys of {name}?", yes=yes, undone="nothing was revoked")
        done = revoke_keys(context, chosen, name, reason)
    if as_json:
        output.document("keys-revoke/1", {"revoked": [one.as_json() for one in done]})
        return
    for one in done:
        output.result(f"{name} holds no keys of {one.project} any more.")
        output.result(f"  {one.still_open}.")
    output.result(f"Next: strongroom keys rotate {' '.join(quoted(one.project) for one in done)}")


def _compare(found: str, heard: str | None) -> None:
    """Raises `KeyRefused` where a fingerprint is another one than a person has read out."""
    plain = None if heard is None else heard.replace("-", "").replace(" ", "").upper()
    if plain is not None and plain != found.replace("-", ""):
        raise KeyRefused(
            f"the recipient has the fingerprint {found}, and not {heard}: it was changed on its way, or is somebody else's",
            hint="have it sent again, and compare the fingerprint that `strongroom keys show` prints on their machine",
        )


def _end(context: Context, text: str) -> datetime:
    from zoneinfo import ZoneInfo

    from strongroom import environment

    return time_parsing.moment(text, ZoneInfo(environment.time_zone() or "UTC"), context.repository.services.clock.now())


def _show(options: GrantOptions, projects: list[str]) -> None:
    end = "until it is revoked" if options.until is None else f"until {wording.moment(options.until)}"
    output.notice(f"{options.name} ({options.principal.fingerprint}) will hold keys of {', '.join(projects)}, {end}, and may:")
    for right in options.rights:
        output.notice(f"  {right:<9}  {MEANINGS[right]}")
    if options.principal.signing_key is None:
        output.notice("  their signing key is not known: they can grant nothing, and sign nothing in the log")


def _show_plan(one: RevocationPlan) -> None:
    held = ", ".join(dict.fromkeys(right for grant in one.grants for right in grant.rights))
    since = wording.moment(min(grant.at for grant in one.grants))
    output.notice(
        f"{one.project}: {one.grants[0].name} holds {held} since {since}; there are {counted(one.snapshots, 'snapshot')}, of "
        f"{wording.size(one.bytes)} by now"
    )
    output.notice(f"  {one.still_open}")
