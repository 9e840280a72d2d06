"""A selection in a sentence, for people who did not type it."""

from __future__ import annotations

from restore.wish import Wish
from vault.wording import counted


def in_words(project: str, wish: Wish) -> str:
    """`reports of project acme about 2024-Q3 (Europe/Kyiv), as of 2026-11-01 …`."""
    parts = [f"{_any(wish.kinds) or 'everything'} of project {project}"]
    if wish.source is not None:
        parts.append(f"from source {wish.source}")
    if wish.periods:
        how = "touching" if wish.overlapping else "within"
        parts.append(f"{how} {_any(wish.periods)} ({wish.zone})")
    if wish.patterns:
        parts.append(f"with a path like {_any(wish.patterns)}")
    if wish.formats:
        parts.append(f"in the format {_any(wish.formats)}")
    if wish.deleted:
        parts.append("that the source no longer had")
    if wish.versions != 1:
        parts.append("in all versions" if wish.versions is None else f"in the newest {counted(wish.versions, 'version')}")
    moment = "as of the newest snapshot" if wish.at is None else f"as of {wish.at.isoformat(sep=' ', timespec='seconds')}"
    return f"{' '.join(parts)}, {moment}"


def _any(values: tuple[str, ...]) -> str:
    return " or ".join(values)
