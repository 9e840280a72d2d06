"""What a principal may do with a project.

write       back up, deduplicate, plan, forget, prune whole packs; no content
read        all of that, and content. Without an end (`until`) also: grant, revoke, rotate
audit       read the log
catalogue   read names, sizes and times, and write nothing; stands beside `audit` only
"""

from __future__ import annotations

from collections.abc import Collection

from vault.errors import UsageError

WRITE, READ, AUDIT, CATALOGUE = "write", "read", "audit", "catalogue"
RIGHTS = (WRITE, READ, AUDIT, CATALOGUE)
"""In the order in which they are listed."""

Rights = tuple[str, ...]


def normal(asked: Collection[str]) -> Rights:
    """In one order, each once, and none that another one implies. Raises `UsageError` for what makes no sense together."""
    unknown = sorted(set(asked) - set(RIGHTS))
    if unknown or not asked:
        raise UsageError(
            f"unknown right {unknown[0]!r}" if unknown else "no right is named", hint=f"known: {', '.join(RIGHTS)}"
        )
    kept = [one for one in RIGHTS if one in asked and not (one == WRITE and READ in asked)]
    if CATALOGUE in kept and (AUDIT not in kept or len(kept) > 2):
        raise UsageError(
            "the right to the catalogue alone is for auditors: it stands beside `audit` and nothing else",
            hint="who may write or read sees the catalogue anyway",
        )
    return tuple(kept)


def includes(rights: Collection[str], wanted: str) -> bool:
    """Whether these rights allow that one: reading implies writing, and both the catalogue."""
    if wanted == WRITE:
        return WRITE in rights or READ in rights
    if wanted == CATALOGUE:
        return CATALOGUE in rights or includes(rights, WRITE)
    return wanted in rights


def as_text(rights: Collection[str]) -> str:
    """For people: `read, audit`."""
    return ", ".join(one for one in RIGHTS if one in rights)
