"""A selection in a sentence, for people who did not type it."""

from __future__ import annotations

from restore.selection.query import ItemQuery
from vault.wording import counted


def in_words(project: str, query: ItemQuery) -> str:
    """`reports of project acme about 2024-Q3 (Europe/Kyiv), as of 2026-11-01 …`."""
    parts = [f"{_any(query.kinds) or 'everything'} of project {project}"]
    if query.source is not None:
        parts.append(f"from source {query.source}")
    if query.periods:
        how = "touching" if query.overlapping else "within"
        parts.append(f"{how} {_any(query.periods)} ({query.zone})")
    if query.patterns:
        parts.append(f"with a path like {_any(query.patterns)}")
    if query.formats:
        parts.append(f"in the format {_any(query.formats)}")
    if query.deleted:
        parts.append("that the source no longer had")
    if query.versions != 1:
        parts.append("in all versions" if query.versions is None else f"in the newest {counted(query.versions, 'version')}")
    moment = "as of the newest snapshot" if query.at is None else f"as of {query.at.isoformat(sep=' ', timespec='seconds')}"
    return f"{' '.join(parts)}, {moment}"


def _any(values: tuple[str, ...]) -> str:
    return " or ".join(values)
