"""A repository that holds nothing and that nobody keeps: for tests of restoring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from strongroom import context, environment, store_access

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.settings import Settings

Into = Literal["folder", "moto"]
"""A folder, or an S3 server in this process."""

_BUCKET = "restore-test"


@contextmanager
def throwaway_repository(settings: Settings, scratch: Path, into: Into) -> Iterator[Context]:
    """A repository that holds nothing, with an identity that nobody keeps, as if the settings named it. Raises `UsageError`
    where moto is not installed, `StorageError`."""
    from strongroom.settings.models import RepositorySettings
    from vault.age import HybridIdentity
    from vault.format.descriptor import EPOCHS, INFLATED, Descriptor, Trust
    from vault.format.layout import new_id
    from vault.repository.client_memory import ClientMemory
    from vault.repository.repository import Repository
    from vault.storage.address import open_store
    from vault.storage.counting import CountingStore

    services = environment.services()
    with ExitStack() as stack:
        named = RepositorySettings(address=str(scratch / "repository"))
        if into == "moto":
            named = RepositorySettings(address=f"s3://{_BUCKET}/repository", endpoint=stack.enter_context(_s3()))
        address = store_access.resolve_address(named.address, scratch)
        options = store_access.store_options(named)
        store = CountingStore(open_store(address, options, services.clock, services.randomness, create_missing=True))
        stack.callback(store.close)
        descriptor = Descriptor(
            new_id(services.randomness.token(16)),
            services.clock.now(),
            trust=Trust(create_once=True, checksum="sha256"),
            features=(INFLATED, EPOCHS),
        )
        repository = Repository.create(store, descriptor, services)
        identity = HybridIdentity.generate(services.randomness)
        memory = ClientMemory.of(scratch / "state", address.text, services.randomness)
        as_named = replace(settings, document=settings.document.model_copy(update={"repository": named}))
        yield context.Context(as_named, repository, [identity], store, memory, scratch / "cache")


@contextmanager
def _s3() -> Iterator[str]:
    """The URL of an S3 server in this process with an empty bucket."""
    from strongroom.testing.s3_server import ENVIRONMENT, s3_server
    from vault.storage.s3_buckets import create_bucket
    from vault.storage.s3_client import S3Options

    with environment.replaced(ENVIRONMENT), s3_server() as endpoint:
        create_bucket(_BUCKET, S3Options(endpoint))
        yield endpoint
