"""Who may what: what is not given is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from console.access.rights import ROLES, Action, Assignment, Person, Role

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_a_role_allows_its_actions_in_its_projects_and_nothing_else(role: Role, action: Action) -> None:
    somebody = Person("anna", assignments=(Assignment(role, ("parcelo",)),))
    assert bool(somebody.scope(action, "parcelo", NOW)) == (action in ROLES[role])
    assert not somebody.scope(action, "other", NOW)


def test_every_action_is_given_by_some_role() -> None:
    assert frozenset().union(*ROLES.values()) == set(Action)


def test_a_role_ends_at_its_moment() -> None:
    somebody = Person("anna", assignments=(Assignment(Role.VIEWER, until=NOW),))
    assert somebody.scope(Action.SEE, "parcelo", NOW - timedelta(seconds=1)).is_everything
    assert not somebody.scope(Action.SEE, "parcelo", NOW) and not somebody.may(Action.SEE, NOW)


def test_a_scope_is_what_any_of_the_assignments_covers() -> None:
    somebody = Person(
        "anna",
        assignments=(
            Assignment(Role.VIEWER, kinds=("reports",), paths=("reports/2024/**",)),
            Assignment(Role.VIEWER, kinds=("tickets",)),
        ),
    )
    scope = somebody.scope(Action.READ, "parcelo", NOW)
    assert not scope.is_everything
    assert scope.covers("reports", b"reports/2024/05.csv") and scope.covers("tickets", b"tickets/2023-01.jsonl")
    assert not scope.covers("reports", b"reports/2023/05.csv") and not scope.covers("raw", b"raw/2024/x.csv")


def test_names_of_projects_may_have_any_letters_where_a_star_is() -> None:
    somebody = Person("anna", assignments=(Assignment(Role.VIEWER, ("parcelo-*",)),))
    assert somebody.may(Action.SEE, NOW, "parcelo-ru") and not somebody.may(Action.SEE, NOW, "parcelo")
