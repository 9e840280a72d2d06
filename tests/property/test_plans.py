"""What is planned is what is done: requests for chunks, patterns, the index."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classify.path_patterns import pattern_regex
from restore.execution import fetcher
from restore.planning import plan
from restore.planning.chunk_locations import count_requests
from restore.selection import select
from tests.support.places import back_up, made_on
from tests.support.randomness import SeededChance
from tests.support.trees import text, write_tree
from vault.errors import UsageError
from vault.format import index as segments
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import FRONT, GAP, ChunkPlace, PackReader, runs
from vault.repository.sorted_index import KnownChunks, SortedIndex
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

usual = settings(derandomize=True, deadline=None, max_examples=150)
deep = settings(derandomize=True, deadline=None, max_examples=5000)

# stored length of a frame, and the gap before it; gaps crowd around the one that is read in vain
steps = st.lists(
    st.tuples(st.integers(1, 2_000_000), st.sampled_from([0, 0, 0, 1, 1000, GAP - 1, GAP, GAP + 1, 3 * GAP])), max_size=14
)


def chunk_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def places_of(pack: int, layout: list[tuple[int, int]], first: int = 0) -> list[ChunkPlace]:
    """Frames in one pack, one behind the other."""
    starts = accumulate((gap + stored for stored, gap in layout), initial=0)
    return [
        ChunkPlace(chunk_of(first + number), chunk_of(pack), 0, 1 << 30, start + gap, stored, stored, None)
        for number, ((stored, gap), start) in enumerate(zip(layout, starts, strict=False))
    ]


@usual
@given(layout=steps)
def test_runs_cover_exactly_what_was_asked_for(layout: list[tuple[int, int]]) -> None:
    places = places_of(1, layout)
    found = runs(places)
    assert [place for run in found for place in run.places] == places
    for run in found:
        assert run.start == run.places[0].offset
        assert run.start + run.length == max(place.offset + place.stored for place in run.places)
    for one, two in pairwise(found):
        assert two.start - one.start - one.length > GAP


def references_to(packs: list[list[ChunkPlace]], wanted: list[tuple[int, int, int]]) -> pa.Table:
    """References as `restore.planning.chunk_locations.locate` gives them: (pack, place, row) each."""
    chosen = [(packs[p % len(packs)], place, row) for p, place, row in wanted if packs]
    rows = [(group[place % len(group)], row) for group, place, row in chosen if group]
    names = ("chunk", "pack", "pack_size", "offset", "stored", "plain", "dictionary")
    kinds = (pa.binary(32), pa.binary(32), pa.int32(), pa.int32(), pa.int32(), pa.int32(), pa.binary(32))
    columns = {
        name: pa.array([getattr(place, name) for place, _ in rows], kind) for name, kind in zip(names, kinds, strict=True)
    }
    columns["row"] = pa.array([row for _, row in rows], pa.int64())
    columns["position"] = pa.array(range(len(rows)), pa.int64())
    return pa.table(columns)


wanted_chunks = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 9)), max_size=40)


@usual
@given(layouts=st.lists(steps, max_size=4), wanted=wanted_chunks)
def test_portions_give_out_every_reference_once(
    layouts: list[list[tuple[int, int]]], wanted: list[tuple[int, int, int]]
) -> None:
    packs = [places_of(number, layout, 1000 * number) for number, layout in enumerate(layouts)]
    references = references_to(packs, wanted)
    portions = list(fetcher.portions(references))
    given_out = [(use.place.chunk, row, position) for portion in portions for use in portion for row, position in use.targets]
    asked = zip(*(references[name].to_pylist() for name in ("chunk", "row", "position")), strict=True)
    assert sorted(given_out) == sorted(asked)
    chunks = [use.place.chunk for portion in portions for use in portion]
    assert len(chunks) == len(set(chunks))
    for portion in portions:
        assert len({use.place.pack for use in portion}) == 1
        assert len(portion) == 1 or sum(use.place.stored for use in portion) <= fetcher.PORTION_STORED
        assert len(portion) == 1 or sum(use.place.plain for use in portion) <= fetcher.PORTION_PLAIN
        assert len(runs([use.place for use in portion])) == 1


@usual
@given(layouts=st.lists(steps, max_size=4), wanted=wanted_chunks)
def test_the_counted_requests_are_those_of_the_fetcher(
    layouts: list[list[tuple[int, int]]], wanted: list[tuple[int, int, int]]
) -> None:
    """But for the bound on a portion's bytes, which is lifted here: a plan counts runs, whatever their length."""
    packs = [places_of(number, layout, 1000 * number) for number, layout in enumerate(layouts)]
    references = references_to(packs, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetcher, "PORTION_STORED", 1 << 40)
        patch.setattr(fetcher, "PORTION_PLAIN", 1 << 40)
        portions = list(fetcher.portions(references))
    uses = [use.place for portion in portions for use in portion]
    fronts = {place.pack: min(one.offset for one in uses if one.pack == place.pack) for place in uses}
    headers = sum(offset > FRONT for offset in fronts.values())  # what lies at the front comes with the header
    assert count_requests(references) == headers + len(portions)


def test_a_restore_asks_the_store_as_often_as_its_plan_says(tmp_path: Path) -> None:
    from datetime import date

    from restore.local_fs import Target
    from restore.planning.conflict_policy import ConflictPolicy

    project = made_on(MemoryStore())
    folder = write_tree(tmp_path / "source", {f"f{number}": text(number, 700 * number) for number in range(14)})
    back_up(project, folder)
    made = plan.make_plan(
        select.select(project, select.ItemQuery()), Target(b"/nowhere"), ConflictPolicy.REFUSE, date(2126, 1, 1)
    )
    counting = CountingStore(project.store)
    reader = PackReader(type(project)(counting, project.descriptor, project.capability, project.services), made.index)
    read = [one for part in fetcher.fetch(made.references, reader, lambda: None, list) for one in part]
    assert all(isinstance(content, bytes) for _, content in read)
    assert counting.snapshot().total_requests == reader.requests == made.requests > 5


# --- patterns ------------------------------------------------------------------------------------------------------------

names_ = st.text("ab-].\u00e9\u0436\n", min_size=1, max_size=4)
paths = st.lists(names_, min_size=1, max_size=4).map("/".join)
pieces = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        ".",
        "-",
        "\u00e9",
        "\u0436",
        "*",
        "?",
        "**",
        "**/",
        "/",
        "[ab]",
        "[!a]",
        "[a-b]",
        "[]]",
        "[.-]",
        "[\u00e9b]",
        "[\u0430-\u044f]",
    ]
)
patterns = st.lists(pieces, min_size=1, max_size=6).map("".join)


def matches(pattern: str, path: str) -> bool:
    """What a pattern means, said as slowly as possible: it covers the path, or a folder that leads to it."""
    clean = pattern.strip("/")
    folders = path.split("/")
    return not clean or any(covers(clean, "/".join(folders[:count])) for count in range(1, len(folders) + 1))


def covers(pattern: str, path: str) -> bool:
    if pattern == path or not pattern:
        return pattern == path
    if pattern.startswith("**/"):
        rest = pattern[3:]
        return covers(rest, path) or any(covers(rest, path[at + 1 :]) for at, char in enumerate(path) if char == "/")
    if pattern.startswith("**"):
        return any(covers(pattern[2:], path[at:]) for at in range(len(path) + 1))
    if pattern.startswith("*"):
        end = path.find("/") if "/" in path else len(path)
        return any(covers(pattern[1:], path[at:]) for at in range(end + 1))
    if not path:
        return False
    if pattern.startswith("["):
        closed = re.match(r"\[!?\]?[^\]]*\]", pattern)
        if closed is None:
            return False
        chars, rest = closed[0][1:-1], pattern[closed.end() :]
        negated = chars.startswith("!")
        return is_in(chars.removeprefix("!"), path[0]) != negated and path[0] != "/" and covers(rest, path[1:])
    if pattern.startswith("?"):
        return path[0] != "/" and covers(pattern[1:], path[1:])
    return pattern[0] == path[0] and covers(pattern[1:], path[1:])


def is_in(chars: str, char: str) -> bool:
    if len(chars) >= 3 and chars[1] == "-":
        return chars[0] <= char <= chars[2] or is_in(chars[3:], char)
    return bool(chars) and (chars[0] == char or is_in(chars[1:], char))


def agree(pattern: str, path: str) -> None:
    found = pc.match_substring_regex(pa.array([path.encode()]), pattern_regex(pattern))[0].as_py()
    assert found == matches(pattern, path)


@usual
@example(pattern="[!a]", path="\u0436")
@example(pattern="a[!b]a", path="a/a")
@given(pattern=patterns, path=paths)
def test_a_pattern_means_what_it_says(pattern: str, path: str) -> None:
    agree(pattern, path)


@pytest.mark.slow
@deep
@given(pattern=patterns, path=paths)
def test_a_pattern_means_what_it_says_at_depth(pattern: str, path: str) -> None:
    agree(pattern, path)


@usual
@example("[z-a]")
@example("[!]")
@example("[[:alpha:]]")
@example("[\u0430-\u044f]")
@given(st.text("ab[]!-^\\*?:/\u0436", max_size=8))
def test_any_text_is_a_pattern_or_a_usage_error(pattern: str) -> None:
    try:
        regex = pattern_regex(pattern)
    except UsageError as error:
        assert error.hint
        return
    pc.match_substring_regex(pa.array([b"reports/a"]), regex)


# --- the index -----------------------------------------------------------------------------------------------------------


def index_of(rows: list[tuple[int, int]]) -> pa.Table:
    """Rows that say that a chunk lies in a pack."""
    columns = {
        "chunk": [chunk_of(chunk) for chunk, _ in rows],
        "pack": [chunk_of(1000 + pack) for _, pack in rows],
        "tier": [pack % 2 for _, pack in rows],
        **{name: [1] * len(rows) for name in ("pack_size", "stored", "plain")},
        "offset": [0] * len(rows),
        "dictionary": [None] * len(rows),
    }
    return pa.table(columns, schema=segments.schema())


row_lists = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=20)


@usual
@given(parts=st.lists(row_lists, max_size=4), order=st.randoms(use_true_random=False), asked=st.lists(st.integers(0, 40)))
def test_the_order_of_segments_does_not_matter(parts: list[list[tuple[int, int]]], order: object, asked: list[int]) -> None:
    shuffled = parts.copy()
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its Random as object
    empty = ChunkIndex(segments.schema().empty_table())
    one, two = empty.with_rows([index_of(part) for part in parts]), empty.with_rows([index_of(part) for part in shuffled])
    assert one.packs() == two.packs()
    chunks = pa.array([chunk_of(chunk) for chunk in asked], pa.binary(32))
    stored = {chunk for part in parts for chunk, _ in part}
    for index in (one, two):
        found = index.locate(chunks)
        assert [row is not None for row in found["pack"].to_pylist()] == [chunk in stored for chunk in asked]
        assert [row for row in found["chunk"].to_pylist() if row] == [chunk_of(chunk) for chunk in asked if chunk in stored]
        assert index.of_tier(0).packs() | index.of_tier(1).packs() == index.packs()


@usual
@given(stored=st.lists(st.integers(0, 40)), asked=st.lists(st.integers(0, 50)))
def test_a_sorted_index_finds_the_same_rows(stored: list[int], asked: list[int]) -> None:
    """Of a chunk that several rows tell of, the first."""
    table = index_of([(0, number) for number in range(len(stored))])
    table = table.set_column(0, table.schema.field(0), pa.array([chunk_of(number) for number in stored], pa.binary(32)))
    chunks = pa.array([chunk_of(number) for number in asked], pa.binary(32))
    index = ChunkIndex(table)
    assert SortedIndex(index).locate(chunks).equals(index.locate(chunks).combine_chunks())


@usual
@given(stored=st.sets(st.integers(0, 60)), added=st.sets(st.integers(0, 60)), same_front=st.booleans())
def test_known_chunks_are_a_set(*, stored: set[int], added: set[int], same_front: bool) -> None:
    """Also where many ids begin with the same eight bytes."""

    def name(number: int) -> bytes:
        return chunk_of(number) if same_front else SeededChance(number).token(32)

    table = index_of([(0, 0)] * len(stored))
    table = table.set_column(0, table.schema.field(0), pa.array([name(number) for number in sorted(stored)], pa.binary(32)))
    known = KnownChunks(ChunkIndex(table))
    for number in range(61):
        assert (name(number) in known) == (number in stored)
    known.add(name(number) for number in added)
    for number in range(61):
        assert (name(number) in known) == (number in stored | added)
