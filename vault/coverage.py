"""What a snapshot of a source covers, and what it does not: a statement of the source, stored with each snapshot."""

from __future__ import annotations

from msgspec import Struct


class CoveredEntity(Struct, frozen=True):
    """One sort of thing that is taken: the files of a folder, a table, tickets.

    - `name`: what the source calls it
    - `fields`: what of each one is kept; empty where that goes without saying
    - `key`: of records as JSON Lines: the field that tells one from another, with dots for fields within fields. Their items
      are then `KIND/NAME.jsonl`, or `KIND/NAME/PERIOD.jsonl`: one record a line, keys sorted. Empty where there are none
    """

    name: str
    fields: tuple[str, ...] = ()
    key: str = ""


class Coverage(Struct, frozen=True):
    """What a source says of itself.

    - `source`: what it is: `folder`, `command`, `sqlite`, …
    - `entities`: what is taken
    - `gaps`: what is not, and what is kept otherwise than the source has it: sentences for people
    - `times`: whether the items' times of modification are the source's own; else an item's time is when it was first read
      with its content
    - `deletions`: whether this scan saw everything, so that what it did not see is gone
    - `one_moment`: whether all items together are of one moment; else each one by itself is
    """

    source: str
    entities: tuple[CoveredEntity, ...]
    gaps: tuple[str, ...] = ()
    times: bool = True
    deletions: bool = True
    one_moment: bool = False
