"""`strongroom export verify BAG`: checksums, signature, time stamp, and that the content is what the snapshots hold."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import colour, output, progress
from cli.options import Config, Identity, Json, Quiet, Repository
from strongroom import context, settings
from strongroom.destinations import expanded
from vault import wording
from vault.errors import Damaged, KeyRefused, SettingsError
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.audited_projects import AuditedProject
    from strongroom.bag_verification import BagTrust, VerifiedBag
    from strongroom.context import Context

FINDINGS_SHOWN = 50


def verify(
    bag: Annotated[str, typer.Argument(metavar="BAG", help="A folder, or a ZIP file.")],
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            "--allowed-signers", metavar="FILE", help="Who may have signed it, as for ssh-keygen: NAME ssh-ed25519 KEY a line."
        ),
    ] = None,
    certificates: Annotated[
        Path | None,
        typer.Option("--certificates", metavar="FILE", help="Of the time-stamp authority, as PEM; else [audit] certificates."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at the bag alone, not at the repository that it is from.")
    ] = False,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Verify a bag that `strongroom export` has made: every checksum, the signature and whose it is, the time stamp.

    With the repository at hand (by the settings, or --repository) the content is compared with the snapshots as well. Without
    --allowed-signers a signature is by whom it says only where this machine knows the key. Ends with exit code 20 where
    something is wrong, and with 3 where nobody has signed the bag, or nobody here knows who did.
    """
    from strongroom.bag_verification import verify_bag

    with ExitStack() as stack:
        opened = None if offline else _opened(stack, config, identity, repository)
        trust = _trust(opened, allowed_signers, certificates)
        with progress.phase("verifying", project="the bag", quiet=quiet, as_json=as_json):
            found = verify_bag(expanded(bag), trust, opened)
    if as_json:
        output.document("export-verify/1", found.as_json())
    else:
        _show(found)
    if not found.sound:
        raise typer.Exit(Damaged.exit_code)
    if not found.signer:
        raise typer.Exit(output.DONE_WITH_PROBLEMS)


def _opened(stack: ExitStack, config: Path | None, identity: list[Path] | None, repository: str | None) -> Context | None:
    """The repository at hand; None where there are no settings."""
    if config is None and repository is None:
        try:
            settings.find(None)
        except SettingsError:
            output.notice("no repository at hand: the content is not compared with snapshots")
            return None
    return stack.enter_context(context.opened(config, identity, brief=True, address=repository))


def _trust(opened: Context | None, allowed_signers: Path | None, certificates: Path | None) -> BagTrust:
    from strongroom import audit_verification
    from strongroom.bag_verification import BagTrust

    keys = {} if opened is None else audit_verification.known_signers(opened, _audited(opened))
    named = certificates if certificates is not None or opened is None else opened.settings.document.audit.certificates
    return BagTrust(allowed_signers, keys, named)


def _audited(opened: Context) -> Sequence[AuditedProject]:
    """The projects whose grants tell who signs; none where this identity opens nothing."""
    from strongroom.audited_projects import audited_projects

    try:
        return audited_projects(opened)
    except KeyRefused as error:
        output.notice(f"who may sign is not looked up in the repository: {error}")
        return []


def _show(found: VerifiedBag) -> None:
    verdict, style = ("whole", colour.Style.GOOD) if found.sound else ("NOT WHOLE", colour.Style.BAD)
    size = wording.size(found.bytes)
    output.result(f"{found.path}: {counted(found.files, 'file')}, {size}: {verdict}", paint=(verdict, style))
    if found.signing_key is None:
        output.result("  signature   none" if found.sound else "  signature   none that is right")
    else:
        whose = found.signer or f"somebody whom nobody here knows (key {found.signing_key.hex()[:16]}…)"
        output.result(f"  signature   of {whose}")
    if found.stamped_at is not None:
        by = "" if found.stamp_verified else "; the authority is not verified (--certificates)"
        output.result(f"  time stamp  {wording.moment(found.stamped_at)}{by}")
    if found.snapshots_asked:
        converted = f", the originals of {counted(found.converted, 'converted table')}" if found.converted else ""
        output.result(f"  content     {counted(found.compared, 'file')} as in the snapshots{converted}")
    for one in found.findings[:FINDINGS_SHOWN]:
        output.result(f"  wrong: {one.message}", paint=("  wrong:", colour.Style.BAD))
    if len(found.findings) > FINDINGS_SHOWN:
        output.result(f"  … and {len(found.findings) - FINDINGS_SHOWN} more (all of them with --json)")
