"""Packs from store to store: each is fetched, compared with the SHA-256 that its name says, and stored under it. No key is
needed for that."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Literal

from msgspec import Struct, field

from vault.copying.pair import CopyPair
from vault.copying.plan import PackToCopy, pack_object
from vault.errors import ObjectNotFound
from vault.progress import Stop
from vault.storage.caching import uncached

AT_ONCE = 4
"""Packs that are on their way at once: each takes its size in memory, at most 64 MiB."""

POLL = 1.0
"""Seconds after which whoever waits looks whether it should stop, and whether the claim is to be rewritten."""

Outcome = Literal["copied", "gone", "damaged"]


class Transfer(Struct):
    """What became of packs. gone, damaged: SHA-256 of packs that the first store does not have, or not whole · stopped: no
    further pack was begun, as a limit says."""

    copied: list[PackToCopy] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)
    damaged: set[bytes] = field(default_factory=set)
    stopped: bool = False


def transfer(
    pair: CopyPair,
    packs: Iterable[PackToCopy],
    *,
    may_begin: Callable[[PackToCopy], bool],
    arrived: Callable[[PackToCopy], None],
    stop: Stop,
) -> Transfer:
    """Copy packs. may_begin: whether one more may be begun · arrived: hears of each that stands in the second store · stop:
    called every second; what it raises ends the work. Raises `StorageError`."""
    done = Transfer()
    waiting: deque[tuple[PackToCopy, Future[Outcome]]] = deque()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copy")

    def collect() -> None:
        pack, future = waiting.popleft()
        while not wait([future], timeout=POLL).done:
            stop()
        outcome = future.result()
        if outcome == "copied":
            done.copied.append(pack)
            arrived(pack)
        else:
            (done.gone if outcome == "gone" else done.damaged).add(pack.sha256)

    try:
        for pack in packs:
            stop()
            if not may_begin(pack):
                done.stopped = True
                break
            waiting.append((pack, pool.submit(_carry, pair, pack)))
            if len(waiting) >= AT_ONCE:
                collect()
        while waiting:
            collect()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # whatever is on its way arrives, or the claim would go before it
    return done


def _carry(pair: CopyPair, pack: PackToCopy) -> Outcome:
    """One pack. What does not have the SHA-256 of its name is fetched once more, below this machine's cache."""
    name = pack_object(pair.first, pack)
    for store in (pair.first.store, uncached(pair.first.store)):
        try:
            data = store.get(name)
        except ObjectNotFound:
            return "gone"
        if hashlib.sha256(data).digest() == pack.sha256:
            pair.put(name, data, sha256=pack.sha256)
            return "copied"
    return "damaged"
