"""Folders listed several at a time: a server far away answers one after a while, and several in the same while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from vault.progress import Stop

T = TypeVar("T")

_LOOK_UP = 0.5
"""Seconds between two looks whether to stop."""


class Walk:
    """What is to be listed yet. enter: one more folder."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = [b""]

    def enter(self, folder: bytes) -> None:
        """List this one too."""
        self.waiting.append(folder)

    def listings(
        self, list_folder: Callable[[bytes], T], at_once: int, stop: Stop, end: Callable[[], None]
    ) -> Iterator[tuple[bytes, T]]:
        """Each folder with its listing, in no order; the caller enters what lies below. Raises what `list_folder` and `stop`
        raise. end: makes the listings that are under way come to an end."""
        running: dict[Future[T], bytes] = {}
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="list")
        try:
            while self.waiting or running:
                stop()
                while self.waiting and len(running) < at_once:
                    folder = self.waiting.pop()
                    running[pool.submit(list_folder, folder)] = folder
                done, _ = wait(running, timeout=_LOOK_UP, return_when=FIRST_COMPLETED)
                for one in done:
                    yield running.pop(one), one.result()
        except BaseException:
            end()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
