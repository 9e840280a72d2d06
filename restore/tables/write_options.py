"""How a table is to be written: for machines or for people, and the few choices that several formats share.

Every writer has one shape, so that whoever converts picks one by the format's name and knows no more about it:

    def write_csv(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None

`out` is a binary stream, open for writing, that the caller closes. CSV, JSON Lines, JSON and HTML only write forward, so a pipe
will do; a writer that must go back says so in its docstring and gets a seekable file. CSV, JSON Lines, Parquet and Feather hold
one table: they are called with one, and the caller makes several files of several tables. Every reader has one shape too:

    def read_csv(path: Path, losses: LossReport) -> list[Table]

Opening counts what the file itself does not tell plainly (bytes that are no text, rows cut short); reading the batches, once or
again, adds nothing more to `losses`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum

from msgspec import Struct


class Audience(Enum):
    """Whom a table is for."""

    EXACT = "exact"
    """Machines: nothing is altered that the format can carry."""

    PEOPLE = "people"
    """A spreadsheet opened by a double click: no live formulas, local times, what was changed is counted."""


class WriteOptions(Struct, frozen=True):
    """profile: for whom · zone: the IANA name of the time zone in which people read moments, None to leave each in its own ·
    delimiter, bom: CSV's; programs that guess want a BOM and `;` in some countries · created: what a format that keeps its time
    of making writes there; given, never read off a clock, so that the same request gives the same bytes."""

    profile: Audience = Audience.EXACT
    zone: str | None = None
    delimiter: str = ","
    bom: bool = False
    created: datetime = datetime(1980, 1, 1, tzinfo=UTC)

    @property
    def for_people(self) -> bool:
        """Whether cells may be changed so that a spreadsheet does no harm with them."""
        return self.profile is Audience.PEOPLE
