"""What a selection comes to, and what is said beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.selection import AmbiguousSource, SelectionOptions, parse_versions, select
from tests.support.tree_facts import write_files
from tests.unit.library.repositories import EVERYTHING, OpenProject, restorable
from vault.errors import NothingFound, UsageError


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    with restorable(tmp_path_factory.mktemp("selection")) as opened:
        yield opened


def paths(opened: OpenProject, options: SelectionOptions) -> set[str]:
    """Of the files that are selected."""
    table = opened.select(options).selection.table
    return {
        path.decode()
        for path, kind in zip(*(table[name].to_pylist() for name in ("path", "type")), strict=True)
        if kind == "file"
    }


def test_empty_options_mean_everything_and_each_narrows_it(acme: OpenProject) -> None:
    assert paths(acme, SelectionOptions()) == set(EVERYTHING)
    assert paths(acme, SelectionOptions(kinds=["tickets"])) == {"tickets/t1.json"}
    assert paths(acme, SelectionOptions(periods=["2024-05"])) == {"reports/2024-05/a.csv"}
    assert paths(acme, SelectionOptions(source="reports", formats=["csv"], periods=["2024-06"])) == {"reports/2024-06/b.csv"}
    assert paths(acme, SelectionOptions(paths=["reports/*.txt"])) == {"reports/notes.txt"}
    with pytest.raises(NothingFound):
        acme.select(SelectionOptions(patterns=["nothing"]))
    with pytest.raises(UsageError, match="exclude each other"):
        acme.select(SelectionOptions(at="now", before="now"))


def test_the_value_tells_whose_items_these_are_and_in_which_zone(acme: OpenProject) -> None:
    options = SelectionOptions(kinds=["tickets"], at="now")
    selected = acme.select(options)
    assert selected.project.name == "acme" and selected.zone.key == "UTC" and selected.missing_snapshots == ()
    assert selected.options is options and selected.query.kinds == ("tickets",) and selected.query.at is not None


def test_what_a_wider_reading_of_the_period_would_add_is_said_to_whoever_listens(
    acme: OpenProject, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "strongroom"):
        acme.select(SelectionOptions(periods=["2024-05-03"], overlapping=True))
        assert caplog.messages == []
        acme.select(SelectionOptions(periods=["2024-05-03", "2024-06"]))
    assert caplog.messages == [
        "1 item (20 B) reach beyond 2024-05-03 or 2024-06 and are left out; --overlapping takes them too"
    ]


def test_two_sources_with_one_path_are_told_apart_by_name_or_by_place(tmp_path: Path) -> None:
    with restorable(tmp_path) as opened:
        write_files(opened.desk.folder / "second", {"notes.txt": b"of another source"})
        with opened.desk.settings.open("a") as settings:
            settings.write(
                f'\n[[projects.acme.sources]]\nkind = "reports"\nname = "second"\npath = "{opened.desk.folder}/second"\n'
            )
        opened.desk.call("backup")
        with pytest.raises(AmbiguousSource) as found:
            opened.select()
        assert (found.value.path, found.value.sources) == (b"reports/notes.txt", ("reports", "second"))
        assert str(found.value.hint).endswith("--source reports or --source second")
        assert paths(opened, SelectionOptions(source="second")) == {"reports/notes.txt"}
        apart = select(opened.context, opened.project, SelectionOptions(), sources_apart=True)
        assert apart.selection.table["path"].to_pylist().count(b"reports/notes.txt") == 2


def test_options_are_reported_as_they_were_written() -> None:
    assert SelectionOptions().as_json() == {}
    assert SelectionOptions(["a"], ["b"], versions=None, overlapping=True).as_json() == {
        "patterns": ["a", "b"],
        "overlapping": True,
        "versions": "all",
    }
    assert SelectionOptions(source="s", versions=3).as_json() == {"source": "s", "versions": "3"}


def test_a_number_of_versions_is_at_least_one() -> None:
    assert (parse_versions("all"), parse_versions("1"), parse_versions("12")) == (None, 1, 12)
    for wrong in ("", "0", "-1", "1.5", "²", "ALL"):
        with pytest.raises(UsageError, match="invalid number of versions"):
            parse_versions(wrong)
