"""Other rules of retention, written into the settings: what counts as shorter, and that comments and all else stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import strongroom
from strongroom.project import Project
from strongroom.retention_settings import PlannedRules, RetentionRules, change_rules, plan_rules, read_rules, rules_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.errors import RefusedByRule, SettingsError, UsageError

FORMS: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "inline": lambda text: text.replace("[projects.acme]\n", KEEP_INLINE, 1),
    "table": lambda text: text + "\n[projects.acme.keep] # agreed with the client\ndaily = 10 # ten days\nmonthly = 3\n",
    "defaults": lambda text: (
        text + '\n[defaults.keep]\nweekly = 8\ndaily = 10\n[defaults.item_retention]\nreports = "1 year"\n'
    ),
}
KEEP_INLINE = """[projects.acme]
keep = { daily = 10, monthly = 3 } # agreed with the client
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("rules") / "desk", Place("repository"))
    write_files(desk.folder / "source", {"2024-05.csv": b"agent,calls\nolena,17\n"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    write_files(desk.folder / "source", {"2024-05.csv": b"agent,calls\nolena,18\n"})
    desk.call("backup")
    return desk


@pytest.fixture
def before(made: Desk) -> str:
    """The settings as they were; they are that again afterwards."""
    return made.settings.read_text()


def planned(desk: Desk, keep: dict[str, str], items: dict[str, str] | None = None) -> PlannedRules:
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        project = repository.project("acme")
        wanted = read_rules(repository.context, "acme", keep, items or {})
        return plan_rules(repository.context, project.stored, wanted)


def changed(desk: Desk, keep: dict[str, str], items: dict[str, str]) -> RetentionRules:
    """Written, and read again."""
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        project: Project = repository.project("acme")
        found = plan_rules(repository.context, project.stored, read_rules(repository.context, "acme", keep, items))
        change_rules(repository.context, project.stored, found, reason="contract 17")
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        return rules_of(repository.context, "acme")


@pytest.mark.parametrize("form", FORMS)
def test_rules_are_written_whatever_form_the_settings_have_and_comments_stay(made: Desk, before: str, form: str) -> None:
    text = FORMS[form](before)
    made.settings.write_text(text)
    try:
        found = changed(made, {"daily": "30", "yearly": "all", "within": "6 months"}, {"reports": "7 years after period"})
        after = made.settings.read_text()
        assert found.as_json() == {
            "keep": {"daily": 30, "yearly": "all", "within": "6 months"},
            "item_retention": {"reports": "7 years after period"},
        }
        for comment in ("# agreed with the client", "# ten days"):
            assert (comment in text) <= (comment in after) or "daily = 30" in after
        assert "# agreed with the client" in after or "# agreed" not in text
        without = changed(made, {"daily": "31", "within": "6 months"}, {"reports": ""})
        assert without.as_json()["keep"] == {"daily": 31, "within": "6 months"}
        assert [one for one in without.items if one.span is not None] == []
    finally:
        made.settings.write_text(before)


def test_what_is_kept_for_less_time_is_named_and_what_is_kept_longer_is_not(made: Desk, before: str) -> None:
    made.settings.write_text(
        before + '\n[projects.acme.keep]\ndaily = 10\nmonthly = 3\nwithin = "90 days"\n'
        '[projects.acme.item_retention]\nreports = "5 years after period"\n'
    )
    same, five = {"daily": "10", "monthly": "3", "within": "90 days"}, {"reports": "5 years"}
    try:
        assert not planned(made, same, five).changes
        for keep, items in (
            ({**same, "daily": "11"}, five),
            ({**same, "monthly": "all", "hourly": "5"}, five),
            ({**same, "within": "4 months"}, five),
            (same, {"reports": "10 years"}),
            (same, {"reports": "forever"}),
            (same, {}),
        ):
            found = planned(made, keep, items)
            assert found.changes and found.shorter == (), (keep, items)
        for keep, items, said in (
            ({**same, "daily": "9"}, five, "daily: 10 before, 9 then"),
            ({**same, "monthly": "", "yearly": "all"}, five, "monthly: 3 before, 0 then"),
            ({**same, "within": "3 months"}, five, "within: 90 days before, 3 months then"),
            (same, {"reports": "60 months"}, "items of reports that were deleted: 5 years after period before"),
            (same, {"reports": "9 years after deletion"}, "9 years after deletion then"),
        ):
            (sentence,) = planned(made, keep, items).shorter
            assert said in sentence, (keep, items)
        assert planned(made, {"within": "0 days"}, five).retention.plan.goes
        assert not planned(made, same, five).retention.plan.goes
    finally:
        made.settings.write_text(before)


def test_what_is_no_rule_is_refused_and_settings_that_cannot_be_written_say_what_to_write(made: Desk, before: str) -> None:
    for keep, items in (
        ({"daily": "many"}, {}),
        ({"fortnightly": "3"}, {}),
        ({"within": "soon"}, {}),
        ({}, {"reports": "7 winters"}),
        ({}, {"tickets": "7 years"}),
    ):
        with pytest.raises(SettingsError):
            planned(made, keep, items)
    made.settings.write_bytes(before.replace("\n", "\r\n").encode())
    try:
        found = planned(made, {"daily": "5"})
        assert found.text is None and found.by_hand.startswith("write into [projects.acme]: keep = { ")
        with pytest.raises(RefusedByRule, match="cannot be changed from here"):
            changed(made, {"daily": "5"}, {})
    finally:
        made.settings.write_text(before)
    made.settings.write_text(before.replace("projects.acme", "projects.other"))
    try:
        with pytest.raises(UsageError):
            planned(made, {"daily": "5"})
    finally:
        made.settings.write_text(before)


def test_settings_that_change_between_plan_and_change_are_left_alone(made: Desk, before: str) -> None:
    with made.surroundings([]), strongroom.open_repository(made.settings) as repository:
        project = repository.project("acme")
        wanted = read_rules(repository.context, "acme", {"daily": "5"}, {})
        found = plan_rules(repository.context, project.stored, wanted)
        others = before + "# somebody else was here\n"
        made.settings.write_text(others)
        try:
            with pytest.raises(RefusedByRule, match="was changed by somebody else meanwhile"):
                change_rules(repository.context, project.stored, found, reason="x")
            assert made.settings.read_text() == others
            assert not [one for one in Path(made.settings.parent).iterdir() if one.name.endswith(".new")]
        finally:
            made.settings.write_text(before)
