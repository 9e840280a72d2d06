"""Sources that hold, or lie in, what Strongroom itself writes: they would grow with every backup of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.used import repository, with_snapshot
from tests.support.desk import Desk, Place, refusal
from tests.support.tree_facts import write_files


def listed(desk: Desk, project: str) -> set[str]:
    return {one["path"] for one in desk.call("ls", project, "-r", "--json").document["items"]}


def set_path(desk: Desk, path: Path) -> None:
    """Write another folder for the only source into the settings, as a person would with an editor."""
    text = desk.settings.read_text()
    [old] = [line for line in text.splitlines() if line.startswith("path = ")]
    desk.settings.write_text(text.replace(old, f'path = "{path}"'))


def test_a_source_with_the_repository_in_it_is_refused_unless_a_pattern_leaves_that_out(desk: Desk) -> None:
    write_files(desk.folder / "reports", {"a.csv": b"1"})
    desk.init()
    (desk.folder / "link").symlink_to(desk.folder)
    for source in (desk.folder, desk.folder / "link"):
        result = desk.call("project", "add", "acme", "--source", f"reports={source}", exits=21)
        assert "has the repository in it" in refusal(result)
        assert "exclude = ['/repository/']" in result.err
    refused = ("--source", f"reports={desk.folder}", "--exclude", "/repository/reports/")
    desk.call("project", "add", "acme", *refused, exits=21)
    desk.call("project", "add", "acme", "--source", f"reports={desk.folder}", "--exclude", "/repository/")
    assert "has the repository in it" not in desk.call("settings", "check").text
    desk.call("backup")
    assert "reports/reports/a.csv" in listed(desk, "acme")
    assert not [path for path in listed(desk, "acme") if path.startswith("reports/repository")]


def test_settings_check_names_a_source_with_the_repository_in_it_and_a_backup_leaves_that_out(used: Desk) -> None:
    write_files(used.folder / "repository/not-ours", {"kept.csv": b"1"})
    (used.folder / "link").symlink_to(used.folder)
    set_path(used, used.folder / "link")
    text = used.call("settings", "check", exits=1).text
    assert f"path is {used.folder}/link, which has the repository in it ({repository(used)})" in text
    result = used.call("backup", "--allow-empty")
    assert "left out, Strongroom's own data: reports/" in result.err
    assert "reports/repository/projects" in result.err
    first, second = (used.call("backup", "--json").document["snapshots"][0] for _ in range(2))
    assert (first["items"], first["bytes"]) == (second["items"], second["bytes"])
    assert {"path": "reports/repository/projects", "what": "strongroom"} in second["skipped"]
    inside = {path for path in listed(used, "acme") if path.startswith("reports/repository/")}
    assert inside == {"reports/repository/not-ours", "reports/repository/not-ours/kept.csv"}


@pytest.mark.parametrize(
    "to",
    ["repository", "repository/keys", "repository/projects/x/y", "home/.cache/strongroom", "home/.local/state/strongroom/x"],
)
def test_nothing_is_restored_among_strongrooms_own_data(used: Desk, to: str) -> None:
    (used.folder / "link").symlink_to(used.folder)
    for command in (("restore",), ("restore", "--as", "xlsx"), ("export",)):
        for place in (to, f"link/{to}"):
            assert " lies in the " in refusal(used.call(command[0], "acme", "--to", place, *command[1:], exits=21))
    in_zip = 0 if to == "repository" else 21
    used.call("restore", "acme", "--to", f"{to}/all.zip", exits=in_zip)
    used.call("restore", "acme", "--to", "repository-beside/x")
    used.call("restore", "acme", "--to", "repository/mine")  # the folder may hold other things
    used.call("check", "--data")


def test_no_objects_are_restored_among_those_of_the_repository(tmp_path: Path, place_of: Callable[[str], Place]) -> None:
    place = place_of("moto")
    desk = with_snapshot(Desk(tmp_path / "desk", place))
    for to in (place.address, f"{place.address}/projects", f"{place.address}/keys/x"):
        for options in ((), ("--as", "xlsx"), ("--endpoint", str(place.endpoint))):
            assert " lies in the repository " in refusal(desk.call("restore", "acme", "--to", to, *options, exits=21))
    desk.call("restore", "acme", "--to", f"{place.address}-beside")
    desk.call("restore", "acme", "--to", f"{place.address}/mine")
    desk.call("check", "--data")


@pytest.mark.parametrize("place", ["repository/projects", "home/.cache/strongroom", "home/.local/state/strongroom"])
def test_a_source_within_strongrooms_own_data_is_refused_everywhere_and_the_others_are_backed_up(
    used: Desk, place: str
) -> None:
    own = used.folder / place
    [inner] = [one for one in own.iterdir() if one.is_dir()][:1]
    (used.folder / "link").symlink_to(inner)
    for source in (own, inner, used.folder / "link"):
        result = used.call("project", "add", "zeta", "--source", f"raw={source}", exits=21)
        assert f"({own})" in refusal(result)
    used.add("zeta", f"raw={used.folder / 'source'}")
    set_path_of_acme = used.settings.read_text().replace(f'path = "{used.folder}/source"', f'path = "{inner}"', 1)
    used.settings.write_text(set_path_of_acme)
    assert f"is {inner}, which lies in" in used.call("settings", "check", exits=1).text
    result = used.call("backup", exits=1)
    assert f"the source {inner} lies in {own}" in result.err and "where Strongroom keeps its own data" in result.err
    assert result.text.startswith("zeta/raw: ")


def test_a_home_folder_is_backed_up_without_the_cache_and_the_state_folder(desk: Desk) -> None:
    home = desk.folder / "home"
    write_files(home, {"notes.txt": b"1"})
    desk.init()
    desk.add("acme", f"raw={home}")
    desk.call("backup")
    assert "left out, Strongroom's own data: " in desk.call("backup").err
    found = listed(desk, "acme")
    assert {"raw/notes.txt", "raw/.cache"} <= found
    assert not [path for path in found if "/.cache/strongroom" in path or "/state/strongroom" in path]
    first, second = (desk.call("backup", "--json").document["snapshots"][0] for _ in range(2))
    assert (first["items"], first["bytes"]) == (second["items"], second["bytes"])


def test_a_source_that_was_named_by_a_step_up_does_not_need_the_folder_between(desk: Desk) -> None:
    write_files(desk.folder / "reports", {"a.csv": b"1"})
    (desk.folder / "between").mkdir()
    desk.init()
    desk.add("acme", "reports=between/../reports")
    shutil.rmtree(desk.folder / "between")
    assert ".." not in desk.settings.read_text()
    desk.call("backup")
    assert "reports/a.csv" in listed(desk, "acme")
