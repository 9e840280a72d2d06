"""A process that is forked speaks to an S3 store over connections of its own."""

from __future__ import annotations

import os
import warnings
from posix import _exit

import pytest

from tests.support.store_fixtures import BUCKET
from vault.storage.s3 import S3Store
from vault.storage.s3_client import S3Options

OBJECTS, ROUNDS = 8, 5

pytestmark = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="needs fork")


def reads_what_was_written(store: S3Store) -> bool:
    return all(store.get(f"o/{number}") == b"%d" % number * 5000 for _ in range(ROUNDS) for number in range(OBJECTS))


def test_two_processes_that_read_at_once_get_their_own_answers(moto_endpoint: str) -> None:
    store = S3Store(BUCKET, f"fork-{os.getpid()}", S3Options(moto_endpoint))
    for number in range(OBJECTS):
        store.put(f"o/{number}", b"%d" % number * 5000)
    manager = store._client._endpoint.http_session._manager  # type: ignore[attr-defined]
    assert len(manager.pools) == 1  # a connection stands
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that of moto's own threads
        child = os.fork()
    if child == 0:
        right = False
        try:
            right = len(manager.pools) == 0 and reads_what_was_written(store)
        finally:
            _exit(0 if right else 1)
    assert reads_what_was_written(store)
    assert os.waitpid(child, 0)[1] == 0
    store.close()
