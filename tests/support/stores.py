"""Places where a test may keep objects: every kind of store, and several stores in the same place."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from vault.storage.contract import Store


@dataclass
class StorePlace:
    """Somewhere empty. `open` opens another store there; all are closed with the place."""

    kind: str
    make: Callable[[], Store]
    _opened: ExitStack = field(default_factory=ExitStack)

    def open(self) -> Store:
        store = self.make()
        self._opened.callback(store.close)
        return store

    def close(self) -> None:
        self._opened.close()


def raw_client(endpoint: str) -> Any:
    """botocore's own client, for what no store of ours does: making buckets, looking behind the scenes."""
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5, "mode": "standard"})
    session = _session(os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY"))
    return session.create_client("s3", region_name="us-east-1", endpoint_url=endpoint, config=config)


@cache
def _session(_user: str | None, _secret: str | None) -> Any:
    """One for each pair of credentials, as it keeps them; what it knows of S3 takes it a tenth of a second to read."""
    import botocore.session

    return botocore.session.Session()


def make_bucket(endpoint: str, bucket: str) -> None:
    """An empty bucket at a server that may still be waking up."""
    client = raw_client(endpoint)
    try:
        client.create_bucket(Bucket=bucket)
    finally:
        client.close()
