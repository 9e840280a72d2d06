"""Stored holds: read as they were written, and nothing but our errors comes of others'."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.test_foreign_bytes import json_values, only_ours, places_in, with_other
from tests.property.test_formats import KEY, moments, words
from vault.format import envelope, hold
from vault.format.hold import HeldPeriod, Hold, Release, Scope

usual = settings(derandomize=True, deadline=None, max_examples=100)
deep = settings(derandomize=True, deadline=None, max_examples=5000)

ID = "0123456789abcdef" * 2
NAME = f"projects/{'a' * 32}/holds/{ID}"

periods = st.builds(HeldPeriod, words, st.none() | moments, st.none() | moments)
scopes = st.builds(Scope, st.none() | words, st.none() | periods, st.none() | words, st.none() | words)
holds = st.builds(Hold, st.just(ID), scopes, words, words, moments, st.none() | moments)
releases = st.builds(Release, st.just(ID), words, words, words, moments)


@usual
@given(one=holds | releases)
def test_a_hold_or_a_release_is_read_as_it_was_written(one: Hold | Release) -> None:
    stored = envelope.encode(one.as_json(), KEY, NAME, "a" * 32)
    assert hold.read(envelope.decode(stored, KEY, NAME, "a" * 32, "it"), ID) == one


few = st.sampled_from(["x", "y"])


@usual
@given(scope=st.builds(Scope, st.none() | few, st.none() | periods), left_out=st.sampled_from(["kind", "period"]), kind=few)
def test_a_client_that_does_not_know_a_field_of_a_scope_takes_it_for_wider(scope: Scope, left_out: str, kind: str) -> None:
    value = Hold(ID, scope, "r", "w", datetime(2026, 3, 14, tzinfo=UTC)).as_json()
    del value[left_out]
    wider = hold.read(value, ID)
    assert isinstance(wider, Hold)
    assert wider.scope.touches("any", kind) or not scope.touches("any", kind)
    assert scope.by_item or not wider.scope.by_item


def mutate(value: dict[str, Any], place: int, other: Any) -> None:
    paths = places_in(value)[1:]
    only_ours(lambda: hold.read(with_other(value, paths[place % len(paths)], other), ID))


@usual
@given(one=holds | releases, place=st.integers(0, 30), other=json_values)
def test_a_hold_with_one_odd_value_raises_only_our_errors(one: Hold | Release, place: int, other: Any) -> None:
    mutate(one.as_json(), place, other)


@pytest.mark.slow
@deep
@given(one=holds | releases, place=st.integers(0, 30), other=json_values)
def test_a_hold_with_one_odd_value_raises_only_our_errors_at_depth(one: Hold | Release, place: int, other: Any) -> None:
    mutate(one.as_json(), place, other)


@usual
@given(value=st.dictionaries(st.sampled_from([*Hold.__struct_fields__, *Scope.__struct_fields__, "record"]), json_values))
def test_json_that_is_no_hold_raises_only_our_errors(value: dict[str, Any]) -> None:
    only_ours(lambda: hold.read(value, ID))
