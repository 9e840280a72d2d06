"""Projects, sources and settings that make no sense: told before anything is half made."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, refusal, without_root_powers
from tests.support.tree_facts import tree_facts, write_files


def test_a_project_that_does_not_exist_brings_the_nearest_name(used: Desk) -> None:
    for arguments in (
        ["backup", "acne"],
        ["restore", "acne", "--to", "out"],
        ["ls", "acne"],
        ["check", "acne"],
        ["list", "acne"],
    ):
        message = refusal(used.call(*arguments, exits=2))
        assert "there is no project 'acne'" in message and "did you mean 'acme'?" in message
    assert "there are: acme" in refusal(used.call("ls", "zebra", exits=2))
    assert "there are: reports" in refusal(used.call("backup", "acme", "--source", "tickets", exits=2))


def test_a_project_that_makes_no_sense_is_not_added(used: Desk) -> None:
    before = used.settings.read_text(), tree_facts(repository(used))
    source = f"reports={used.folder / 'source'}"
    for name, given, code in (
        ("acme", source, 21),
        ("a/b", source, 2),
        (" x", source, 2),
        ("", source, 2),
        ("x", "reports", 2),
        ("x", "Reports=/tmp", 2),
        ("x", "reports=", 2),
        ("x", "reports=/no/such/folder", 1),
        ("x", f"reports={used.settings}", 1),
    ):
        refusal(used.call("project", "add", name, "--source", given, exits=code))
    for pattern in ("!", "[z-a]", "a\\"):
        refusal(used.call("project", "add", "x", "--source", source, "--exclude", pattern, exits=2))
    assert (used.settings.read_text(), tree_facts(repository(used))) == before


def test_a_missing_source_commits_nothing(used: Desk) -> None:
    (used.folder / "source").rename(used.folder / "unmounted")
    message = refusal(used.call("backup", exits=1))
    assert str(used.folder / "source") in message and "mounted" in message
    (used.folder / "source").write_text("a file now")
    refusal(used.call("backup", exits=1))
    assert used.call("list").text.startswith("acme: 1 snapshot\n")
    told = used.call("backup", "--json", exits=1).document["snapshots"][0]
    assert told["exit_code"] == 1 and told["hint"]


def test_one_source_that_is_missing_does_not_stop_the_others(used: Desk) -> None:
    write_files(used.folder / "other", {"c.csv": b"3"})
    used.add("zeta", f"reports={used.folder / 'other'}")
    shutil.rmtree(used.folder / "source")
    result = used.call("backup", exits=1)
    assert result.text.startswith("zeta/reports: 2 items") and "acme" not in result.text
    document = used.call("backup", "--json", exits=1).document
    assert [("error" in one, one["project"]) for one in document["snapshots"]] == [(True, "acme"), (False, "zeta")]


def test_an_emptied_source_commits_nothing_unless_it_is_meant(used: Desk) -> None:
    facts = tree_facts(used.folder / "source")
    for path in (used.folder / "source").iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert "--allow-empty" in refusal(used.call("backup", exits=1))
    assert used.call("list").text.startswith("acme: 1 snapshot\n")
    assert "3 vanished" in used.call("backup", "--allow-empty").text
    used.call("restore", "acme", "--deleted", "--to", "back")
    restored = tree_facts(used.folder / "back/reports")
    assert {path: one for path, one in restored.items() if path} == {path: one for path, one in facts.items() if path}


def test_what_cannot_be_read_is_a_problem_and_its_last_version_stays(used: Desk) -> None:
    (used.folder / "source/a.csv").chmod(0)
    result = used.run("backup", exits=3, preexec_fn=without_root_powers)
    assert "problem: reports/a.csv: it cannot be read" in result.err
    assert used.call("restore", "acme", "reports/a.csv", "--to", "-").out == b"1"
    (used.folder / "source/a.csv").chmod(0o644)
    (used.folder / "source/sub").chmod(0)
    told = used.run("backup", "--json", exits=3, preexec_fn=without_root_powers).document["snapshots"][0]
    assert {problem["path"] for problem in told["problem_list"]} == {"reports/sub"} and told["vanished"] == 0
    assert used.call("status", "--all", exits=3).text.count("  problems  ") == 1
    used.call("restore", "acme", "reports/sub/b.csv", "--to", "back")
    assert (used.folder / "back/reports/sub/b.csv").read_bytes() == b"2" * 1000
    (used.folder / "source").chmod(0)
    assert "cannot be opened" in refusal(used.run("backup", exits=1, preexec_fn=without_root_powers))


def test_folders_without_permission_are_refused_before_anything_is_half_made(used: Desk) -> None:
    (used.folder / "closed").mkdir(mode=0o555)
    told = used.run("restore", "acme", "--to", "closed/target", exits=1, preexec_fn=without_root_powers)
    assert told.out == b"" and "cannot write to" in told.err and "hint: let the user" in told.err
    refusal(used.run("init", "closed/repository", "--config", "other.toml", exits=30, preexec_fn=without_root_powers))
    refusal(used.run("init", "new", "--config", "closed/other.toml", exits=2, preexec_fn=without_root_powers))
    before = tree_facts(repository(used))
    folders = [folder for folder in repository(used).rglob("*") if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    refusal(used.run("backup", exits=30, preexec_fn=without_root_powers))
    for folder in folders:
        folder.chmod(0o700)
    assert tree_facts(repository(used)).keys() == before.keys()
    unchanged(used)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[repository\n", ["line 1, column 12"]),
        ('[repository]\naddress = "x"\naddress = "y"\n', ["line 3"]),
        ('[repository]\naddress = "x"\n[identity]\nfiel = "y"\n', ["line 4", "identity.fiel", "did you mean 'file'?"]),
        ('[repository]\naddres = "x"\n', ["repository.addres", "did you mean 'address'?"]),
        ("[repository]\naddress = 3\n", ["line 2", "repository.address"]),
        ("", ["repository.address is missing"]),
        ('[repository]\naddress="x"\n[projects.a]\nsources=[{kind="Big", path="/"}]\n', ["line 4", "kind"]),
        ('[repository]\naddress="x"\n[projects.a]\nsources=[{kind="big"}]\n', ["path is missing"]),
        ('[repository]\naddress="x"\n[projects]\na = 1\n', ["projects.a must be a table"]),
        ("\xff", ["cannot be read"]),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_place(desk: Desk, text: str, words: list[str]) -> None:
    desk.settings.write_bytes(text.encode("latin-1"))
    message = refusal(desk.call("backup", exits=2))
    assert str(desk.settings.name) in message
    for word in words:
        assert word in message


def test_missing_settings_name_the_places_that_were_looked_at(desk: Desk) -> None:
    message = refusal(desk.call("backup", exits=2))
    assert "strongroom.toml" in message and "strongroom init" in message
    assert "nowhere.toml" in refusal(desk.call("list", "--config", "nowhere.toml", exits=2))
