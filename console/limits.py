"""How much one person, and all of them together, may ask of a console at a time."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class ConsoleLimits(Struct, frozen=True):
    """Bounds that keep one person's work from being everybody's trouble.

    items, folders, periods: in one basket · tasks_at_once: that run, of all · tasks_by_person: of one person that are not over
    · downloads_at_once, downloads_by_person: that are being sent · address: seconds for which the address of a download is
    good · stall: seconds after which whoever takes nothing of a download is given up · longest_download: seconds · attempts:
    how often a task is begun before it is given up · retry: seconds until a task that met somebody else at work, or no store,
    is tried again; twice as many each time, up to an hour · approval_within: after that a request that nobody has decided is
    over · lease: seconds after which a host that says nothing of a task is taken for dead · export_kept: for so long a bag that
    was made can be fetched · upload: bytes of a bag that is brought · bag_files, bag_bytes: files of a bag that is verified,
    and bytes of all of them, expanded · read_ahead: bytes of content that downloads read ahead of their browsers, all of them
    together
    """

    items: int = 50_000
    folders: int = 2_000
    periods: int = 500
    tasks_at_once: int = 2
    tasks_by_person: int = 4
    downloads_at_once: int = 8
    downloads_by_person: int = 2
    address: float = 600.0
    stall: float = 60.0
    longest_download: float = 6 * 3600.0
    attempts: int = 12
    retry: float = 15.0
    approval_within: timedelta = timedelta(days=1)
    lease: float = 90.0
    export_kept: timedelta = timedelta(days=7)
    upload: int = 2 << 30
    bag_files: int = 200_000
    bag_bytes: int = 20 << 30
    read_ahead: int = 32 << 20
