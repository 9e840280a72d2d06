"""A run as the run history has it: which due times it stands for, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

Ending = Literal["done", "problems", "failed", "timeout", "stopped", "aborted", "skipped"]
"""How a run ended.

done, problems    it did its work; with problems, not all of it
failed            it raised an error
timeout           it was asked to stop after its time, and did
stopped           it was asked to stop because the process ends, and did
aborted           nobody saw its end: the process was killed, the machine lost power
skipped           it never started: its due times are passed over
"""
SUCCESSES: frozenset[Ending] = frozenset({"done", "problems"})


class Run(Struct, frozen=True):
    """id: made up when it starts, so that no clock can confuse two runs · since, planned: the first and the last due time that
    it stands for; one and the same unless some were missed · attempt: 1 is the first · ended, ending: None while it runs ·
    problems: how many · message: a sentence for people · host: where it ran · process: see `process_identity` · set_aside: the
    clock has been set back since, so that it says nothing about what is due."""

    id: str
    project: str
    job: str
    since: datetime
    planned: datetime
    attempt: int
    started: datetime
    ended: datetime | None = None
    ending: Ending | None = None
    problems: int = 0
    message: str = ""
    host: str = ""
    process: str = ""
    set_aside: bool = False
