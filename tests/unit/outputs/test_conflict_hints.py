"""What the hint of an export or a converted restore says about what stands in the way."""

from __future__ import annotations

import pytest

from restore.outputs import conflict_guard
from vault.errors import TargetError


@pytest.mark.parametrize(
    ("standing", "choices"),
    [
        ("file", "skip, newer, replace or keep-both"),
        ("folder", "skip or keep-both"),
        ("blocked", "skip"),
    ],
)
def test_the_hint_lists_only_policies_that_would_change_something(
    monkeypatch: pytest.MonkeyPatch, standing: str, choices: str
) -> None:
    monkeypatch.setattr(conflict_guard, "in_the_way", lambda *_: {b"2024/may.csv": standing})
    with pytest.raises(TargetError) as met:
        conflict_guard.refuse_foreseen(None, None, None)  # type: ignore[arg-type] # what stands there is given
    assert met.value.hint == f"nothing was written; choose --existing {choices}, or another target"
