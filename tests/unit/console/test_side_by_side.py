"""Two texts side by side: whatever they are, all that differs is shown, and what is shown is theirs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from console.previews.texts import AROUND, LinePair, side_by_side

TEXTS = st.lists(st.sampled_from(["a", "b", "", "c c"]), max_size=40).map("\n".join)


def test_a_changed_line_stands_beside_what_it_was_and_the_rest_is_counted() -> None:
    before = [f"line {number}" for number in range(100)]
    after = [*before[:49], "changed", *before[50:]]
    found = side_by_side("\n".join(before), "\n".join(after))
    assert [one for one in found if not one.is_same] == [LinePair((50, "line 49"), (50, "changed"))]
    assert len(found) == 2 * AROUND + 1 and found[0].skipped == 49 - AROUND


def test_lines_that_were_put_in_and_taken_away_stand_beside_nothing() -> None:
    found = side_by_side("a\nb\nc", "a\nc\nd")
    assert [(one.before, one.after) for one in found] == [
        ((1, "a"), (1, "a")),
        ((2, "b"), None),
        ((3, "c"), (2, "c")),
        (None, (3, "d")),
    ]
    assert side_by_side("same\ntext", "same\ntext") == ()


@settings(max_examples=60, deadline=None)
@given(before=TEXTS, after=TEXTS, long=st.booleans())
def test_every_line_that_is_shown_is_there_and_every_difference_is_shown(before: str, after: str, *, long: bool) -> None:
    if long:  # more than is matched line by line
        before, after = f"x\n{before}\n" * 30, f"y\n{after}\n" * 30
    old, new = before.split("\n"), after.split("\n")
    found = side_by_side(before, after)
    assert all(old[one.before[0] - 1] == one.before[1] for one in found if one.before)
    assert all(new[one.after[0] - 1] == one.after[1] for one in found if one.after)
    hidden_old = set(range(1, len(old) + 1)) - {one.before[0] for one in found if one.before}
    hidden_new = set(range(1, len(new) + 1)) - {one.after[0] for one in found if one.after}
    assert [old[one - 1] for one in sorted(hidden_old)] == [new[one - 1] for one in sorted(hidden_new)]
    assert bool(found) == (before != after)
