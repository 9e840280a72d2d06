"""`strongroom init ADDRESS`: a repository, an identity, a recovery kit, a settings file."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, prompts
from cli.options import Json
from strongroom import context, environment, settings
from strongroom.settings import in_address, writer
from vault.errors import RefusedByRule, StorageError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.tables import RepositorySettings
    from vault.age import Identity
    from vault.storage.probe_report import QuickReport

Endpoint = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="An S3 server other than AWS.")]
Region = Annotated[str | None, typer.Option("--region", help="The bucket's region.")]
PathStyle = Annotated[
    bool | None, typer.Option("--path-style/--host-style", help="The bucket in the path, or in the host's name.")
]
Profile = Annotated[str | None, typer.Option("--profile", help="A profile of the AWS configuration files.")]


def init(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A folder, file:/folder, or s3://bucket/prefix.")],
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="Where the settings go.")] = Path("strongroom.toml"),
    identity: Annotated[
        Path | None, typer.Option("--identity", metavar="FILE", help="Your identity; made where there is none.")
    ] = None,
    recovery_kit: Annotated[
        Path | None, typer.Option("--recovery-kit", metavar="FILE", help="Write the kit there instead of showing it once.")
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Seal a new identity to a passphrase.")] = False,
    as_json: Json = False,
) -> None:
    """Make a repository at ADDRESS, an identity where there is none, a recovery kit, and a settings file.

    The recovery kit is a second key to everything. Print it, lock it away, and delete the file: it opens the repository
    when the identity is lost.
    """
    repository = repository_of(_portable(address), endpoint, region, profile, path_style=path_style)
    place = identity or environment.identity_file()
    kit_place = _checked_kit_place(recovery_kit, place)
    if config.exists():
        raise RefusedByRule(f"{config} exists; it was left alone", hint="name another file with --config FILE")
    made = _Init(repository, config, place, kit_place).run(wants_passphrase=passphrase)
    _report(made, config, place, kit_place, as_json=as_json)


def repository_of(
    address: str, endpoint: str | None, region: str | None, profile: str | None, *, path_style: bool | None
) -> RepositorySettings:
    """The settings that a command's options make. Raises `UsageError`."""
    from strongroom.settings.reader import made
    from strongroom.settings.tables import RepositorySettings

    context.located(address, Path.cwd())  # what is no address is refused in its own words
    values = {"address": address, "endpoint": endpoint, "region": region, "path_style": path_style, "profile": profile}
    return made(RepositorySettings, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A repository that was made. begun_before: by a run that did not end · new_identity: whether the identity is new, too ·
    recovery_kit: its text, None where it is in a file · store: what the probe found."""

    repository: str
    begun_before: bool
    address: str
    new_identity: bool
    recovery_recipient: str
    recovery_kit: str | None
    store: QuickReport

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"store": self.store.as_json(), "findings": self.store.sentences()}


class _Init:
    """The steps, in an order that leaves nothing half made that is in the way of a second try."""

    def __init__(self, repository: RepositorySettings, config: Path, identity: Path, kit: Path | None) -> None:
        self._repository = repository
        self._config = config
        self._identity = identity
        self._kit = kit

    def run(self, *, wants_passphrase: bool) -> _Made:
        """Makes it."""
        from strongroom import identities, settings_copy
        from strongroom.settings.tables import IdentitySettings
        from vault import age
        from vault.format.descriptor import Descriptor, Trust
        from vault.format.layout import new_id
        from vault.repository.repository import Repository
        from vault.repository.store_trust import note_repository
        from vault.storage.address import open_bare_store
        from vault.storage.probe import probe_quickly
        from vault.storage.retrying import RetryingStore

        services = context.services()
        options = context.store_options(self._repository, brief=True)
        address = context.located(self._repository.address, self._config.absolute().parent)
        bare = open_bare_store(address, options, services.clock, services.randomness, create_missing=True)
        store = RetryingStore(bare, options.patience, services.clock, services.randomness)
        try:
            begun = Repository.begun(store, services)
            # the bare one: a wrapper would hide what the store says about checksums
            report = probe_quickly(bare, services.randomness)
            if not report.usable:
                found = " ".join(report.sentences()[:2])
                raise StorageError(
                    f"{store.describe()} is not fit for a repository, and nothing was made there: {found}",
                    hint="`strongroom doctor ADDRESS` says more of what this store can be trusted with",
                )
            kit = age.HybridIdentity.generate(services.randomness)
            new_identity, mine = self._make_identity(services.randomness, wants_passphrase=wants_passphrase)
            trust = Trust(report.creates_once, "md5" if report.checksum == "md5" else "sha256")
            repository_id = begun.descriptor.repository if begun else new_id(services.randomness.token(16))
            kit_text = _kit_text(kit.encode(), self._repository, repository_id)
            if self._kit is not None:
                identities.write_secret(self._kit, kit_text.encode())
            descriptor = Descriptor(repository_id, services.clock.now(), trust=trust)
            repository = begun or Repository.create(store, descriptor, services)
            memory = context.remembered(address, self._repository)
            memory.start_over(repository_id)
            if report.creates_once:
                note_repository(memory, repository_id)
            identity = IdentitySettings(file=self._identity)
            writer.write(self._config, self._repository, identity, kit.recipient.encode())
            settings_copy.noticed(settings_copy.Holder(repository, mine, memory), settings.load(self._config), [])
        finally:
            store.close()
        return _Made(
            repository=repository_id,
            begun_before=begun is not None,
            address=store.describe(),
            new_identity=new_identity,
            recovery_recipient=kit.recipient.encode(),
            recovery_kit=None if self._kit else kit_text,
            store=report,
        )

    def _make_identity(self, randomness: object, *, wants_passphrase: bool) -> tuple[bool, list[Identity]]:
        """Whether one was made, and what there is: an identity that is there is used, and opened to see that it can be."""
        from strongroom import identities
        from strongroom.settings.tables import IdentitySettings
        from vault.randomness import SystemRandomness

        if self._identity.exists():
            return False, identities.load(IdentitySettings(file=self._identity), [])
        secret = prompts.new_passphrase() if wants_passphrase else None
        made = identities.make(
            self._identity, SystemRandomness(), secret, "Strongroom identity: whoever has this file can read everything"
        )
        return True, [made]


def _portable(address: str) -> str:
    """A relative folder is written down whole, so that the settings file may be moved."""
    is_folder = not address.startswith(("s3:", "file:", "~")) and "://" not in address
    return str(Path(address).absolute()) if is_folder and address.strip() else address


def _checked_kit_place(kit: Path | None, identity: Path) -> Path | None:
    if kit is None:
        return None
    if kit.absolute().parent.resolve() == identity.absolute().parent.resolve():
        raise UsageError(
            "the recovery kit must not lie beside the identity: what destroys the one would destroy the other",
            hint="name another folder, best on another medium, with --recovery-kit FILE",
        )
    if kit.exists():
        raise RefusedByRule(f"{kit} exists and may hold a key; it was left alone", hint="choose another file")
    return kit


def _kit_text(secret: str, repository: RepositorySettings, repository_id: str) -> str:
    address = shlex.quote(in_address(repository))
    return (
        "# Strongroom recovery kit: print this, lock it away, and delete the file.\n"
        f"# repository: {repository_id}\n"
        f"# address:    {repository.address}{f' at {repository.endpoint}' if repository.endpoint else ''}\n"
        "# It opens everything in the repository. With Strongroom on any machine, and this text in the file kit.txt:\n"
        f"#   strongroom project list --repository {address} --identity kit.txt\n"
        f"#   strongroom settings restore --repository {address} --identity kit.txt\n"
        f"#   strongroom restore PROJECT --to DIR --repository {address} --identity kit.txt\n"
        f"#   strongroom restore --all-projects --to DIR --repository {address} --identity kit.txt\n"
        "# Without Strongroom: docs/format.md tells how to read everything with age, zstd and any Parquet reader.\n"
        f"{secret}\n"
    )


def _report(made: _Made, config: Path, identity: Path, kit: Path | None, *, as_json: bool) -> None:
    if as_json:
        output.document(
            "init/1",
            made.as_json() | {"settings": str(config), "identity": str(identity), "recovery_kit_file": kit and str(kit)},
        )
        return
    output.result(f"Repository {made.repository} is at {made.address}.")
    if made.begun_before:
        output.result("  It was begun before and holds nothing yet: this completes it.")
    for sentence in made.store.sentences():
        output.result(f"  {sentence}")
    output.result(f"Identity: {identity} ({'new; keep a copy somewhere safe' if made.new_identity else 'yours, as it was'}).")
    output.result(f"Settings: {config}")
    if kit is not None:
        output.result(f"Recovery kit: {kit}. Print it, lock it away, and delete the file.")
    else:
        output.result("\nThe recovery kit is shown once, now, and stored nowhere. Print it and lock it away:\n")
        output.result(made.recovery_kit or "")
    output.result("Next: strongroom project add NAME --source KIND=PATH, then strongroom backup.")
