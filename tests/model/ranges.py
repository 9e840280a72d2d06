"""What tables of records cover, as a model: writers whose clocks are wrong, a copy, and whoever gathers records in tables.

    backup    puts its claim, lists records, begins anew under another name where its own is older than the newest; commits;
              its claim goes
    copy      the same, and keeps its names: of older ones it writes a table before the records
    gatherer  reads the tables, lists claims, lists records; writes one table in place of all, which covers what comes before
              the newest record of the tables that it has read, and before the oldest claim; takes the old ones away

Names are numbers, by what the clock of their writer says. The newest is asked here where the code asks for the eighth of the
newest, less a day: both grow with what is seen, which is all that matters. Whoever reads believes the tables up to what they
cover, and lists what comes after.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from tests.model.explore import Step

FIRST = frozenset({10, 20})
"""Records that stand, and are in a table that covers nothing."""

LATEST = 1 << 20
Names = frozenset[int]


class Table(NamedTuple):
    """before: names that it covers, with the tables `beside`."""

    id: int
    rows: Names
    before: int = 0
    beside: Names = frozenset()


class Claim(NamedTuple):
    """copies: whose writer commits under other names."""

    name: int
    copies: bool = False


class Writer(NamedTuple):
    """at: the next step · name: of the claim · left: what a copy has still to write."""

    name: int
    copies: bool = False
    left: tuple[int, ...] = ()
    at: str = "claim"
    seen: Names = frozenset()


class Gatherer(NamedTuple):
    """at: the next step · read: tables · limit: of what it covers · listed: records."""

    at: str = "tables"
    read: frozenset[Table] = frozenset()
    limit: int = 0
    listed: Names = frozenset()
    written: int = 0


class State(NamedTuple):
    """What stands, and who works. ids: how many tables were written."""

    records: Names
    claims: frozenset[Claim]
    tables: frozenset[Table]
    ids: int
    writers: tuple[Writer, ...]
    gatherers: tuple[Gatherer, ...]


class Rules(Struct, frozen=True):
    """writers: who commits · gatherers: how many · joins: they join all tables, and not only write new ones · loses: the store
    may lose tables · without: the rules that are left out."""

    writers: tuple[Writer, ...]
    gatherers: int = 1
    joins: bool = True
    loses: bool = False
    without: frozenset[str] = frozenset()


def start(rules: Rules) -> State:
    """See `FIRST`."""
    return State(FIRST, frozenset(), frozenset({Table(0, FIRST)}), 0, rules.writers, (Gatherer(),) * rules.gatherers)


def coverage(rules: Rules, tables: frozenset[Table]) -> int:
    """Up to which name tables are believed."""
    there = {table.id for table in tables}
    named = "tables are named" not in rules.without
    return max((table.before for table in tables if there >= table.beside or not named), default=0)


def broken(rules: Rules, state: State) -> str | None:
    """The law that does not hold."""
    limit = coverage(rules, state.tables)
    rows = _rows(state.tables)
    if any(one < limit and one not in rows for one in state.records):
        return "a record stands that tables say does not, and nobody lists it"
    return None


def seen(rules: Rules, state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    if coverage(rules, state.tables):
        yield "something is covered"
    if any(one < coverage(rules, state.tables) and one not in FIRST for one in state.records):
        yield "what was committed late is covered"
    if all(one.at == "done" for one in state.writers) and all(one.at == "done" for one in state.gatherers):
        yield "everybody is done"


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    for number, writer in enumerate(state.writers):
        if writer.at != "done":
            after, changed = _write(rules, state, writer)
            writers = (*state.writers[:number], changed, *state.writers[number + 1 :])
            yield f"writer {writer.name}: {writer.at}", after._replace(writers=writers)
    for number, one in enumerate(state.gatherers):
        if one.at != "done":
            after, gatherer = _gather(rules, state, one)
            others = (*state.gatherers[:number], gatherer, *state.gatherers[number + 1 :])
            yield f"gatherer {number}: {one.at}", after._replace(gatherers=tuple(sorted(others, key=repr)))

    for table in state.tables if rules.loses else ():
        yield f"table {table.id} is lost", state._replace(tables=state.tables - {table})


def _write(rules: Rules, state: State, writer: Writer) -> tuple[State, Writer]:
    claim = Claim(writer.name, writer.copies)
    if writer.at == "claim":
        return state._replace(claims=state.claims | {claim}), writer._replace(at="list")
    if writer.at == "list":
        writer = writer._replace(seen=state.records)
        if writer.copies:
            return state, writer._replace(at="table")
        newest = max(state.records)
        if writer.name < newest and "old names are not used" not in rules.without:
            return state._replace(claims=state.claims - {claim}), writer._replace(
                name=newest * 10 + writer.name % 10, at="claim"
            )
        return state, writer._replace(at="commit")
    if writer.at == "commit":
        return state._replace(records=state.records | {writer.name}), writer._replace(at="end")
    if writer.at == "end":
        return state._replace(claims=state.claims - {claim}), writer._replace(at="done")
    return _copy(rules, state, writer)


def _copy(rules: Rules, state: State, writer: Writer) -> tuple[State, Writer]:
    last = writer.at == "record" or "a table before the record" in rules.without
    if writer.at == "table":
        late = frozenset(one for one in writer.left if one < max(writer.seen))
        if late and not last:
            table = Table(state.ids + 1, late)
            return state._replace(tables=state.tables | {table}, ids=table.id), writer._replace(at="record")
        return state, writer._replace(at="record")
    record, *left = writer.left
    return state._replace(records=state.records | {record}), writer._replace(left=tuple(left), at="record" if left else "end")


def _gather(rules: Rules, state: State, one: Gatherer) -> tuple[State, Gatherer]:
    if one.at == "tables":
        return state, one._replace(at="claims", read=state.tables)
    if one.at == "claims":
        return state, one._replace(at="records", limit=_limit(rules, state, one))
    if one.at == "records":
        return state, one._replace(at="write", listed=state.records, limit=min(one.limit, max(state.records)))
    if one.at == "write":
        joined = one.read if rules.joins else frozenset[Table]()
        rows = (one.listed if rules.joins else one.listed - _rows(one.read)) | _rows(joined)
        kept = frozenset(table.id for table in one.read - joined)
        new = Table(state.ids + 1, rows, one.limit, kept)
        return state._replace(tables=state.tables | {new}, ids=new.id), one._replace(at="delete" if joined else "done")
    return state._replace(tables=state.tables - one.read), one._replace(at="done", read=frozenset(), listed=frozenset())


def _limit(rules: Rules, state: State, one: Gatherer) -> int:
    before = coverage(rules, one.read)
    if any(claim.copies for claim in state.claims) and "nothing new beside a copy" not in rules.without:
        return before
    newest = max(_rows(one.read), default=0)
    if "tables before claims" in rules.without:  # but by the records, which are listed later
        newest = LATEST
    limits = [claim.name for claim in state.claims if "nothing from a claim on" not in rules.without]
    return max(before, min([newest, *limits]))


def _rows(tables: frozenset[Table]) -> Names:
    return frozenset[int]().union(*(table.rows for table in tables))
