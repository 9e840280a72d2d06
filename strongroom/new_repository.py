"""Making a repository: the store is tried out, then come an identity where there is none, a recovery kit, the descriptor and a
settings file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import environment, settings, store_access
from strongroom.recovery_kit import KitOptions, RecoveryKit
from strongroom.settings import writer
from vault.errors import RefusedByRule, StorageError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.models import RepositorySettings
    from vault.age import Identity
    from vault.randomness import Randomness
    from vault.storage.address import Address, StoreOptions
    from vault.storage.contract import Store
    from vault.storage.probe_report import QuickReport


class NewRepositoryOptions(Struct, frozen=True, kw_only=True):
    """What to make.

    repository: where, and how to reach it · settings: the file to be written · identity: the file of one's own identity, made
    where it is not there · kit: in how many pieces, and to which files; where none is named its text is part of the result ·
    passphrase: asked for one where a new identity is to be encrypted with it · create_bucket: make the bucket where there is
    none · object_lock: with Object Lock, which a bucket is made with
    """

    repository: RepositorySettings
    settings: Path
    identity: Path
    kit: KitOptions = field(default_factory=KitOptions)
    passphrase: Callable[[], str] | None = None
    create_bucket: bool = False
    object_lock: bool = False

    def check(self) -> None:
        """Raises `UsageError` for what makes no sense together, `RefusedByRule` where a file would be overwritten."""
        self.kit.check(self.identity)
        if self.settings.exists():
            raise RefusedByRule(f"{self.settings} exists; it was left alone", hint="name another file with --config FILE")
        if self.object_lock and not self.create_bucket:
            raise UsageError("--object-lock is for a bucket that is made: --create-bucket is missing", hint="add it")


class NewRepository(Struct, frozen=True):
    """What was made. begun_before: an interrupted run had begun it · kit: what the recovery kit is called · recovery_kit: its
    text, of shares one after another, None where files have it · kit_files: those that have it · shares, threshold: None where
    it is in one piece · store: what the store can be trusted with · findings: the same in sentences · bucket_created: None
    where nobody asked for that."""

    repository: str
    begun_before: bool
    address: str
    new_identity: bool
    recovery_recipient: str
    kit: str
    recovery_kit: str | None
    store: QuickReport
    findings: tuple[str, ...]
    kit_files: tuple[Path, ...] = ()
    shares: int | None = None
    threshold: int | None = None
    bucket_created: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "kit_files"}
        lists = {"findings": list(self.findings), "recovery_kit_files": [str(one) for one in self.kit_files]}
        return found | {"store": self.store.as_json()} | lists


def create_repository(options: NewRepositoryOptions) -> NewRepository:
    """Make a repository. The steps come in an order that leaves nothing half made that is in the way of a second try.

    Raises `UsageError`, `RefusedByRule` where a repository or a file is there, `KeyRefused` where the identity does not open,
    `StorageDenied`, `StorageError`.
    """
    from vault.storage.address import open_bare_store
    from vault.storage.retrying import RetryingStore

    options.check()
    services = environment.services()
    store_options = store_access.store_options(options.repository, brief=True)
    address = store_access.resolve_address(options.repository.address, options.settings.absolute().parent)
    created = _bucket(address, store_options, object_lock=options.object_lock) if options.create_bucket else None
    bare = open_bare_store(address, store_options, services.clock, services.randomness, create_missing=True)
    store = RetryingStore(bare, store_options.patience, services.clock, services.randomness)
    try:
        return _made(options, address, bare, store, bucket_created=created)
    finally:
        store.close()


def _bucket(address: Address, options: StoreOptions, *, object_lock: bool) -> bool:
    """Whether it was made."""
    from vault.storage.address import BucketAddress

    if not isinstance(address, BucketAddress):
        raise UsageError(f"{address.text} is a folder, and --create-bucket makes a bucket", hint="write s3://bucket/prefix")
    from vault.storage.s3_buckets import create_bucket

    return create_bucket(address.bucket, options.s3, object_lock=object_lock)


def _made(
    options: NewRepositoryOptions, address: Address, bare: Store, store: Store, *, bucket_created: bool | None
) -> NewRepository:
    from strongroom import settings_copy
    from strongroom.settings.models import IdentitySettings
    from vault import age
    from vault.format.descriptor import EPOCHS, INFLATED, Descriptor, Trust
    from vault.format.layout import new_id
    from vault.format.principal import Principal
    from vault.repository.repository import Repository
    from vault.repository.store_trust import note_repository
    from vault.storage.probe import probe_quickly

    services = environment.services()
    begun = Repository.begun(store, services)
    # the bare one: a wrapper would hide what the store says about checksums
    report = probe_quickly(bare, services.randomness)
    if not report.usable:
        found = " ".join(report.sentences()[:2])
        raise StorageError(
            f"{store.describe()} is not fit for a repository, and nothing was made there: {found}",
            hint="`strongroom doctor ADDRESS` says more of what this store can be trusted with",
        )
    kit_identity = age.HybridIdentity.generate(services.randomness)
    new_identity, mine = _identity(options, services.randomness)
    trust = Trust(report.creates_once, "md5" if report.checksum == "md5" else "sha256")
    repository_id = begun.descriptor.repository if begun else new_id(services.randomness.token(16))
    kit = RecoveryKit.of(kit_identity, options.repository, repository_id, services.clock.now(), options.kit)
    kit.write(options.kit)
    descriptor = Descriptor(repository_id, services.clock.now(), trust=trust, features=(INFLATED, EPOCHS))
    repository = begun or Repository.create(store, descriptor, services)
    memory = store_access.client_memory(address, options.repository)
    memory.start_over(repository_id)
    if report.creates_once:
        note_repository(memory, repository_id)
    recovery = Principal.of(kit_identity).as_line()
    writer.write(options.settings, options.repository, IdentitySettings(file=options.identity), recovery)
    settings_copy.noticed(settings_copy.Holder(repository, mine, memory), settings.load(options.settings), [])
    return NewRepository(
        repository=repository_id,
        begun_before=begun is not None,
        address=store.describe(),
        new_identity=new_identity,
        recovery_recipient=kit_identity.recipient.encode(),
        kit=kit.fingerprint,
        recovery_kit=kit.whole_text if options.kit.shown else None,
        store=report,
        findings=tuple(report.sentences()),
        kit_files=options.kit.files,
        shares=options.kit.shares,
        threshold=options.kit.needed,
        bucket_created=bucket_created,
    )


def _identity(options: NewRepositoryOptions, randomness: Randomness) -> tuple[bool, list[Identity]]:
    """Whether one was made, and what there is: an identity that is there is used, and opened to see that it can be."""
    from strongroom import identities
    from strongroom.settings.models import IdentitySettings

    if options.identity.exists():
        return False, identities.load(IdentitySettings(file=options.identity), [])
    secret = None if options.passphrase is None else options.passphrase()
    return True, [identities.make(options.identity, randomness, secret, identities.WHOSE)]
