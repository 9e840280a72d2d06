"""Fetching again the objects that a restore has written to a bucket, and comparing each with what the snapshot says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from blake3 import blake3

from restore.execution.verification import NO_CHECKSUM, NOT_THERE, OTHER_CONTENT, Verification
from restore.local_fs import Attributes, TargetItem
from restore.outputs.object_sink import SENDERS, key_of
from vault.errors import ObjectNotFound
from vault.format import manifest
from vault.progress import NoProgress, Progress
from vault.storage.s3_objects import S3Objects

AT_ONCE = 64
"""Objects that are asked for before their answers are looked at."""


def verify_objects(
    objects: S3Objects, items: Iterable[TargetItem], stop: Callable[[], None], progress: Progress | None = None
) -> Verification:
    """Fetch every object that was written for these items, and compare its content.

    A bucket has no folders and no links: these are left out. Raises `StorageError` where the store cannot be asked.
    """
    progress, found = progress or NoProgress(), Verification("bucket")
    files = [item._replace(attributes=Attributes()) for item in items if item.kind == manifest.FILE]
    progress.phase("verifying", items=len(files), size=sum(item.size for item in files))
    sizes = objects.sizes() if files else {}
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="verify") as pool:
        try:
            for begin in range(0, len(files), AT_ONCE):
                stop()
                some = files[begin : begin + AT_ONCE]
                for item, trouble in zip(some, pool.map(lambda item: _trouble(objects, sizes, item), some), strict=True):
                    if trouble:
                        found.differ(item.path, trouble)
                    else:
                        found.agree(item)
                    progress.advance(items=1, size=item.size)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return found


def _trouble(objects: S3Objects, sizes: Mapping[str, int], item: TargetItem) -> str:
    """What is wrong with the object of a file, or nothing."""
    if item.digest is None:
        return NO_CHECKSUM
    key = key_of(item.path)
    if key not in sizes:
        return NOT_THERE
    if sizes[key] != item.size:
        return OTHER_CONTENT
    digest = blake3()
    try:
        for piece in objects.read(key, item.size):
            digest.update(piece)
    except ObjectNotFound:
        return NOT_THERE
    return "" if digest.digest() == item.digest else OTHER_CONTENT
