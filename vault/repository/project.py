"""One client's data: a store, the project's keys, and the sealed small objects of its catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from vault import age
from vault.errors import Damaged, ObjectNotFound
from vault.format import envelope
from vault.format.capability import Capability
from vault.format.descriptor import Descriptor
from vault.format.layout import project_folder
from vault.repository.services import Services
from vault.repository.store_trust import PromiseBroken, WriteLost
from vault.storage.caching import uncached
from vault.storage.contract import Buffer, Store

T = TypeVar("T")


class Project(Struct, frozen=True):
    """What a command works with once its keys are found."""

    store: Store
    descriptor: Descriptor
    capability: Capability
    services: Services

    @property
    def id(self) -> str:
        """The opaque id under which its objects lie."""
        return self.capability.project

    @property
    def name(self) -> str:
        """What people call it."""
        return self.capability.name

    def folder(self, name: str) -> str:
        """A folder of this project in the store."""
        return project_folder(self.id, name)

    def seal_catalogue(self, plain: bytes | bytearray) -> bytearray:
        """An age file that the holders of the catalogue key can open."""
        return age.seal(plain, [self.capability.catalogue.recipient], self.services.randomness).data

    def open_catalogue(self, sealed: bytes) -> bytearray:
        """Open what `seal_catalogue` sealed, in whatever epoch. Raises `Damaged`, also where it was sealed to another key."""
        try:
            return age.open_sealed(sealed, self.capability.catalogue_identities)
        except age.NoMatchingIdentity as error:
            raise Damaged(
                f"an object of the catalogue of project {self.name!r} is not encrypted with this project's key"
            ) from error

    def put_record(self, name: str, value: dict[str, Any]) -> None:
        """Create or replace a tagged record."""
        self.store.put(name, self.seal_record(name, value))

    def create_record(self, name: str, value: dict[str, Any]) -> None:
        """Write a tagged record under a name that must be free, and read it back. Raises `ObjectExists`, `WriteLost`,
        `PromiseBroken`."""
        sealed = self.seal_record(name, value)
        self.store.create(name, sealed)
        if not self.stands_as(name, sealed):
            raise PromiseBroken(
                f"{name} was created, and now other content is there: the store overwrote what it was asked to keep"
            )

    def stands_as(self, name: str, sealed: Buffer) -> bool:
        """Whether the store itself has these bytes, whatever this machine's cache has. Raises `WriteLost` where
        nothing does."""
        try:
            return uncached(self.store).get(name) == sealed
        except ObjectNotFound:
            raise WriteLost(f"{name} was written, the store has answered, and it is not there") from None

    def read_record(self, name: str, what: str) -> dict[str, Any]:
        """A tagged record, verified. Raises `ObjectNotFound`, `Damaged`."""
        return self.read_sealed(name, lambda plain: envelope.decode(plain, self.capability.tag_key, name, self.id, what))

    def read_sealed(self, name: str, decode: Callable[[bytearray], T]) -> T:
        """A sealed object of the catalogue, opened and decoded. One that is damaged is read once more, below the cache: it may
        have been damaged on its way here, or been mended since. Raises `ObjectNotFound`, `Damaged`."""
        try:
            return decode(self.open_catalogue(self.store.get(name)))
        except Damaged:
            return decode(self.open_catalogue(uncached(self.store).get(name)))

    def read_below(self, name: str, what: str) -> dict[str, Any]:
        """As `read_record`, from the store itself, whatever is kept on this machine."""
        plain = self.open_catalogue(uncached(self.store).get(name))
        return envelope.decode(plain, self.capability.tag_key, name, self.id, what)

    def seal_record(self, name: str, value: dict[str, Any]) -> bytearray:
        """A tagged record as it is stored under this name; no two sealings are alike. Raises `KeyRefused` for auditors, who may
        store nothing."""
        self.capability.refuse_auditor()
        return self.seal_catalogue(envelope.encode(value, self.capability.tag_key, name, self.id))
