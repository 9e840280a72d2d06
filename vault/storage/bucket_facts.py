"""What only the store itself can say about the place where it keeps objects. A store may offer this; the probe asks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct


class BucketFacts(Struct, frozen=True):
    """versioning: "off", "enabled", "suspended", or None where the store does not say · object_lock: likewise ·
    server_time: the store's clock, to the second."""

    versioning: str | None
    object_lock: bool | None
    server_time: datetime | None


@runtime_checkable
class StoreFacts(Protocol):
    """Offered besides `Store` by stores behind a network."""

    def facts(self) -> BucketFacts:
        """Raises `StorageError`."""
        ...

    def refuses_wrong_checksum(self, name: str, kind: Literal["sha256", "md5"]) -> bool:
        """Whether an upload of `name` (which may then exist) with a checksum that does not fit is turned away."""
        ...
