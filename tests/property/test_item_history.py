"""Random histories of a source, beside a plain model: what the ledger says is what a walk through the hours would say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restore.history.diff import difference, state
from restore.history.events import history
from restore.history.find import find
from restore.history.ledger import Ledger
from restore.history.timeline import Question
from tests.unit.history.model import State, Told, known
from vault.format import layout

PATHS = st.sampled_from([b"reports/a", b"reports/a/b", b"reports/a.csv", b"reports/\xff", b"reports/z", b"reports/z0"])
STATES = st.dictionaries(PATHS, st.tuples(st.sampled_from(["one", "two", "three"]), st.sampled_from([0o644, 0o600])))
HISTORIES = st.lists(STATES, min_size=1, max_size=9)
usual = settings(derandomize=True, deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
deep = settings(usual, max_examples=400)


def walked(states: list[State], path: bytes) -> Iterator[tuple[str, int]]:
    """What happened to a path, and in which hour."""
    ever, before = False, None
    for hour, now in enumerate(one.get(path) for one in states):
        if now is not None and before is None:
            yield ("came back" if ever else "created"), hour
        elif now is None and before is not None:
            yield "deleted", hour
        elif now != before and now is not None and before is not None:
            yield ("changed" if now[0] != before[0] else "attributes changed"), hour
        ever, before = ever or now is not None, now


def told_by(states: list[State]) -> Told:
    told = Told()
    for one in states:
        told.hour(one)
    return told


def plain(ledger: Ledger) -> list[dict[str, Any]]:
    """All rows, in one order. When a version was first seen may differ where hours were left out, so it is left out here."""
    rows = ledger.rows().drop_columns(["seen_at"]).to_pylist()
    return sorted(rows, key=lambda row: (row["path"], row["first"]))


def check_against_the_model(states: list[State]) -> None:
    told = told_by(states)
    with tempfile.TemporaryDirectory() as folder:
        found = known(told.project, Path(folder))
    assert found.problems == ()
    ledger = found.ledgers["reports"]
    assert [record.id for record in ledger.records] == [record.id for record in told.records]
    for hour, one in enumerate(states):
        there = state(ledger, hour, None)
        assert dict(zip(there["path"].to_pylist(), there["mode"].to_pylist(), strict=True)) == {
            p: m for p, (_, m) in one.items()
        }
    paths = sorted({path for one in states for path in one})
    items = history(found, Question(), most=100)
    assert [item.path for item in items.items] == paths
    hours = {record.id: hour for hour, record in enumerate(told.records)}
    for item in items.items:
        assert [(event.what, hours[event.snapshot or ""]) for event in item.events] == list(walked(states, item.path))
    check_sums(told, find(found, Question()).to_pylist())


def check_sums(told: Told, rows: list[dict[str, Any]]) -> None:
    """What `find` says of each item."""
    for row in rows:
        seen = [hour for hour, one in enumerate(told.states) if row["path"] in one]
        assert row["first_seen"] == told.records[seen[0]].taken_at
        assert row["last_seen"] == told.records[seen[-1]].taken_at
        assert row["snapshot"] == told.records[seen[-1]].id
        gone = seen[-1] < len(told.states) - 1
        assert row["missing_since"] == (told.records[seen[-1] + 1].taken_at if gone else None)
        # who comes back was written anew, at another time
        states = [(told.states[hour][row["path"]], hour) for hour in seen]
        news = [one != two or hour + 1 != later for (one, hour), (two, later) in pairwise(states)]
        assert row["versions"] == 1 + sum(news)
        assert row["size"] == len(states[-1][0][0])


@given(HISTORIES)
@usual
def test_history_and_find_say_what_a_walk_through_all_hours_says(states: list[State]) -> None:
    check_against_the_model(states)


@pytest.mark.slow
@given(st.lists(STATES, min_size=1, max_size=30))
@deep
def test_history_and_find_say_so_of_long_histories_too(states: list[State]) -> None:
    check_against_the_model(states)


@given(HISTORIES, st.integers(0, 8), st.integers(0, 8))
@usual
def test_diff_says_what_comparing_two_states_says(states: list[State], one: int, two: int) -> None:
    first, second = one % len(states), two % len(states)
    told = told_by(states)
    with tempfile.TemporaryDirectory() as folder:
        found = known(told.project, Path(folder))
    question = Question(since=told.records[first].taken_at, until=told.records[second].taken_at)
    rows = difference(found, question).table.to_pylist()
    before, after = states[first], states[second]
    expected: dict[bytes, str] = dict.fromkeys(before.keys() - after.keys(), "deleted")
    for path, now in after.items():
        if path not in before:
            expected[path] = "created"
        elif now[0] != before[path][0]:
            expected[path] = "changed"
        # a file that was gone in between has another time of modification, whatever is in it
        elif now != before[path] or any(
            path not in states[hour] or states[hour][path] != now for hour in between(first, second)
        ):
            expected[path] = "attributes changed"
    assert {row["path"]: row["what"] for row in rows} == expected
    assert [row["path"] for row in rows] == sorted(expected)


def between(one: int, two: int) -> range:
    return range(min(one, two), max(one, two))


@given(HISTORIES, st.randoms(use_true_random=False))
@usual
def test_snapshots_may_become_known_in_any_order(states: list[State], random: Any) -> None:
    """As they do where clocks are wrong, or where one could not be read for a while."""
    told = told_by(states)
    store, project = told.project.store, told.project
    names = [layout.snapshot_name(project.id, record.id) for record in told.records]
    hidden = {name: store.get(name) for name in names}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        expected = plain(known(project, Path(other)).ledgers["reports"])
        for name in names:
            store.delete(name)
        for name in random.sample(names, len(names)):
            store.put(name, hidden[name])
            found = known(project, Path(folder))
        assert [record.id for record in found.ledgers["reports"].records] == [record.id for record in told.records]
        assert plain(found.ledgers["reports"]) == expected


@given(HISTORIES, st.sets(st.integers(0, 8)))
@usual
def test_what_was_forgotten_leaves_the_kept_history_as_if_it_had_never_been(states: list[State], forgotten: set[int]) -> None:
    told = told_by(states)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        known(told.project, Path(folder))
        for hour in forgotten & set(range(len(states))):
            told.project.store.delete(layout.snapshot_name(told.project.id, told.records[hour].id))
        thinned, anew = known(told.project, Path(folder)), known(told.project, Path(other))
    assert list(thinned.ledgers) == list(anew.ledgers)
    for source, ledger in thinned.ledgers.items():
        assert plain(ledger) == plain(anew.ledgers[source])
        assert ledger.records == anew.ledgers[source].records
