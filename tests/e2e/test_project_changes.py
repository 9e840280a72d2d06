"""A project gets another name and a source another folder: nothing that is stored is lost, and history goes on."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from policies.scheduling import run_history
from strongroom.settings import toml_edits
from strongroom.settings_restore import project_ids_in
from tests.support.desk import Desk, Place, refusal
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files

SCHEDULE = '\n[projects.acme.schedule]\nbackup = { every = "day" }\n\n[projects.acme.schedule.drill]\nevery = "day"\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    made.init()
    write_files(made.folder / "source", {f"2024/{number}.csv": b"n\n%d\n" % number for number in range(20)})
    made.add("acme", f"reports={made.folder / 'source'}")
    made.settings.write_text(made.settings.read_text() + "# a comment that stays\n" + SCHEDULE)
    made.call("backup", "--quiet")
    return made


def test_everything_about_a_project_is_shown(desk: Desk) -> None:
    desk.call("hold", "add", "acme", "--kind", "reports", "--reason", "a case")
    shown = desk.call("project", "show", "acme").text
    assert "keys       2 key objects; yours may back up and restore" in shown and "stored     1 snapshot, " in shown
    assert f"source     reports, of kind reports, {desk.folder / 'source'}" in shown and "the last: 22 items, " in shown
    assert "backup     day" in shown and "drill      day" in shown and "held       kind reports: a case (by " in shown
    found = desk.call("project", "show", "acme", "--json").document
    assert found["snapshots"] == 1 and found["stored_bytes"] > 1000 and found["sources"][0]["items"] == 22
    assert found["keep"]["monthly"] == "all" and found["stored_name"] is None


def test_a_renamed_project_has_its_snapshots_its_history_and_no_second_copy(desk: Desk) -> None:
    desk.run("daemon", "--once", exits=(0, 3))
    desk.call("drill", "acme")
    before = desk.call("list", "--json").document["projects"][0]
    planned = desk.call("project", "rename", "acme", "acme ltd", "--dry-run")
    assert "its 2 snapshots stay" in planned.text and "[projects.acme]" not in planned.text
    assert "no terminal" in desk.call("project", "rename", "acme", "acme ltd", exits=2).err
    assert '"acme ltd"' not in desk.settings.read_text()
    done = desk.call("project", "rename", "acme", "acme ltd", "--yes", "--json").document
    assert (done["settings_changed"], done["runs_renamed"], done["daemon_running"]) == (True, 2, False)
    text = desk.settings.read_text()
    assert '[projects."acme ltd".schedule.drill]' in text and "# a comment that stays" in text and "projects.acme" not in text
    after = desk.call("list", "--json").document["projects"][0]
    assert after["project"] == "acme ltd" and after["project_id"] == before["project_id"]
    assert [one["snapshot"] for one in after["snapshots"]] == [one["snapshot"] for one in before["snapshots"]]
    status = desk.call("status", "--json").document
    assert [row["project"] for row in status["sources"]] == ["acme ltd"] and status["projects"][0]["last_drill"]
    assert desk.run("daemon", "--once").text.count("started") == 0, "nothing is due again"
    again = desk.call("backup", "--json").document["snapshots"][0]
    assert (again["project"], again["added"]) == ("acme ltd", 0)
    for name in ("acme ltd", "acme"):
        desk.call("restore", name, "--to", f"back {name}")
        assert tree_facts(desk.folder / f"back {name}/reports") == tree_facts(desk.folder / "source")
    assert desk.call("project", "show", "acme").text.startswith("acme ltd (in the repository: acme), id ")
    assert desk.call("check").text.startswith("acme ltd: ")
    assert desk.call("retention", "plan", "acme", "--json").document["projects"][0]["project"] == "acme ltd"
    desk.call("project", "rename", "acme ltd", "acme", "--yes")
    assert desk.call("list").text.startswith("acme: ")


def test_the_old_name_is_free_for_nobody_and_a_taken_one_is_refused(desk: Desk) -> None:
    desk.add("zeta", f"reports={desk.folder / 'source'}")
    assert "already" in refusal(desk.call("project", "rename", "acme", "zeta", "--yes", exits=21))
    for name in ("", "a/b", " a"):
        desk.call("project", "rename", "acme", name, "--yes", exits=2)
    assert "they name: acme, zeta" in refusal(desk.call("project", "rename", "nobody", "x", "--yes", exits=2))
    elsewhere = desk.folder / "home/.local/state/strongroom"
    desk.call("project", "rename", "acme", "beta", "--yes")
    assert "already" in refusal(desk.call("project", "add", "acme", "--source", f"reports={desk.folder / 'source'}", exits=21))
    text = desk.settings.read_text()
    at = text.index("[projects.zeta]") if "[projects.zeta]" in text else text.index("[[projects.zeta")
    following = text.find("[projects.", at + 20)
    desk.settings.write_text(text[:at] + (text[following:] if following > 0 and "zeta" not in text[following:] else ""))
    assert "knows another project by the name 'zeta'" in refusal(
        desk.call("project", "rename", "beta", "zeta", "--yes", exits=21)
    )
    shutil.rmtree(elsewhere)
    assert "another project of the repository is called 'zeta'" in refusal(
        desk.call("project", "rename", "beta", "zeta", "--yes", exits=21)
    )


def test_a_rename_that_was_interrupted_after_any_step_is_completed_by_the_same_command(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run("daemon", "--once", exits=(0, 3))
    for number, module in enumerate(("strongroom.settings_copy.of_context", "strongroom.project_rename._follow")):
        old, new = f"acme{number or ''}".removesuffix("0"), f"acme{number + 1}"
        with monkeypatch.context() as patch:
            patch.setattr(module, interrupted)
            with pytest.raises(BaseException, match="power"):
                desk.call("project", "rename", old, new, "--yes")
        assert desk.call("list").text.startswith(f"{new}: "), "every command knows the new name already"
        done = desk.call("project", "rename", old, new, "--yes", "--json").document
        assert (done["settings_changed"], done["runs_renamed"] > 0) == (False, True)
        assert desk.call("status", "--json", exits=(0, 3)).document["sources"][0]["state"] == "ok"
    assert desk.run("daemon", "--once").text.count("started") == 0


def interrupted(*_arguments: object, **_more: object) -> None:
    raise SystemError("power cut")


def test_settings_that_no_command_may_change_are_left_alone_and_what_to_write_is_said(desk: Desk) -> None:
    text = desk.settings.read_text()
    table = tomllib.loads(text)["projects"]["acme"]
    kept = text[
        : text.index("[[projects.acme.sources]]") if "[[projects.acme.sources]]" in text else text.index("[projects.acme")
    ]
    kept = kept.replace("[projects.acme]\n", "")
    source = table["sources"][0]
    inline = f'[projects]\nacme = {{ sources = [{{ kind = "reports", path = "{source["path"]}" }}] }}\n'
    lines = [line for line in kept.splitlines() if not line.startswith("zone")]
    desk.settings.write_text("\n".join(lines) + "\n" + inline)
    refused = desk.call("project", "rename", "acme", "beta", "--yes", exits=21)
    assert 'add `id = "' in refused.err and inline in desk.settings.read_text()


def test_a_daemon_that_runs_is_told_to_read_the_settings_anew_and_backs_up_either_way(desk: Desk) -> None:
    daemon = desk.start("daemon")
    try:
        while desk.call("status", "--json", exits=(0, 3)).document["daemon"]["state"] != "running":
            assert daemon.poll() is None
        renamed = desk.call("project", "rename", "acme", "beta", "--yes")
        assert "systemctl reload strongroom" in renamed.err
        assert "beta/reports: " in desk.call("backup", "acme", "--source", "reports").text, "as the daemon calls it until then"
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)


def test_a_source_that_moved_goes_on_with_its_history(desk: Desk) -> None:
    (desk.folder / "source").rename(desk.folder / "elsewhere")
    (desk.folder / "elsewhere/2024/3.csv").unlink()
    write_files(desk.folder / "elsewhere", {"2024/4.csv": b"longer than before\n", "new.csv": b"x"})
    arguments = ("project", "move-source", "acme", "reports", "elsewhere")
    planned = desk.call(*arguments, "--dry-run")
    assert "the new folder has 19 under the same names:\n  18 of the same size, 1 missing, and 1 new file" in planned.text
    assert "1 file has vanished" in planned.text and "elsewhere" not in desk.settings.read_text()
    done = desk.call(*arguments, "--yes", "--json").document
    assert (done["files"], done["files_found"], done["files_missing"], done["files_new"], done["settings_changed"]) == (
        20,
        19,
        1,
        1,
        True,
    )
    assert "# a comment that stays" in desk.settings.read_text()
    made = desk.call("backup", "--json").document["snapshots"][0]
    assert (made["vanished"], made["added"], made["flagged"]) == (1, 1, [])
    assert len(desk.call("history", "acme", "reports/2024/4.csv", "--json").document["items"][0]["events"]) == 2


def test_a_folder_without_any_of_the_stored_files_is_refused(desk: Desk) -> None:
    write_files(desk.folder / "other", {"x.csv": b"1"})
    before = desk.settings.read_text()
    arguments = ("project", "move-source", "acme")
    assert "has none of the 20 files" in refusal(desk.call(*arguments, "reports", "other", "--yes", exits=21))
    assert "is not a folder" in refusal(desk.call(*arguments, "reports", "nowhere", "--yes", exits=1))
    assert "there are: reports" in refusal(desk.call(*arguments, "raw", "other", "--yes", exits=2))
    assert "lies in" in refusal(desk.call(*arguments, "reports", "repository/projects", "--yes", exits=21))
    assert desk.settings.read_text() == before
    shutil.copytree(desk.folder / "source", desk.folder / "copy")
    terminal = Terminal(desk, *arguments, "reports", "copy")
    terminal.wait_for(b"Change ")
    terminal.type(b"n\n")
    assert terminal.end() == 1 and desk.settings.read_text() == before


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[projects.a]\nzone = "UTC"\n', '[projects.b]\nid = "ID"\nzone = "UTC"\n'),
        ("[[ projects . 'a' . sources ]] # c\nx = 1\n", '[projects.b]\nid = "ID"\n\n[[ projects . b . sources ]] # c\nx = 1\n'),
        ('[projects."a".schedule]\n[projects.ab]\n', '[projects.b]\nid = "ID"\n\n[projects.b.schedule]\n[projects.ab]\n'),
        ('[x]\ny = """\n[projects.z]\n"""\n[projects.a]', '[x]\ny = """\n[projects.z]\n"""\n[projects.b]\nid = "ID"\n'),
    ],
)
def test_a_name_is_changed_in_the_headers_of_its_tables_and_nowhere_else(text: str, wanted: str) -> None:
    assert toml_edits.renamed_project(text, "a", "b", "ID") == wanted


@pytest.mark.parametrize(
    "text", ['[x]\ny = """\n[projects.a]\n"""\n[projects.a]\n', "[projects]\na.zone = 'UTC'\n", "projects.a.zone = 'UTC'\n"]
)
def test_what_would_become_something_else_is_not_changed(text: str) -> None:
    with pytest.raises(toml_edits.ByHand):
        toml_edits.renamed_project(text, "a", "b", "ID")


def test_runs_of_a_file_that_is_not_there_need_no_new_name(tmp_path: Path) -> None:
    assert run_history.rename_project(tmp_path / "books.sqlite", "a", "b") == 0 and not list(tmp_path.iterdir())


def test_a_copy_of_settings_that_names_a_project_by_its_id_counts_as_written_by_who_has_its_keys(desk: Desk) -> None:
    desk.call("project", "rename", "acme", "beta", "--yes")
    (newest, *_) = desk.call("settings", "restore", "--list", "--json").document["copies"]
    assert newest["projects"] == ["beta"] and newest["verified"] is True
    project_id = desk.call("project", "list", "--json").document["projects"][0]["project_id"]
    assert project_ids_in(desk.settings.read_text()) == {project_id} and project_ids_in("no [ toml") == frozenset()


def test_settings_that_give_a_name_to_another_project_leave_no_two_projects_of_one_name(desk: Desk) -> None:
    desk.add("zeta", f"reports={desk.folder / 'source'}")
    ids = {one["project"]: one["project_id"] for one in desk.call("project", "list", "--json").document["projects"]}
    text = toml_edits.renamed_project(
        desk.settings.read_text().replace("projects.zeta", "projects.old"), "acme", "zeta", ids["acme"]
    )
    desk.settings.write_text(text)
    names = {
        one["project"]: one["project_id"]
        for one in desk.call("project", "list", "--json", exits=(0, 3, 12)).document["projects"]
    }
    assert names.get("zeta") in (None, ids["acme"]) and names.get(ids["zeta"]) == ids["zeta"]
    assert "has other keys" in refusal(desk.call("backup", "zeta", exits=12)), "nothing is put into the wrong project"


def test_two_projects_of_the_settings_with_one_id_are_refused_where_the_second_stands(desk: Desk) -> None:
    desk.call("project", "rename", "acme", "beta", "--yes")
    project_id = tomllib.loads(desk.settings.read_text())["projects"]["beta"]["id"]
    desk.settings.write_text(f'{desk.settings.read_text()}\n[projects.gamma]\nid = "{project_id}"\n')
    told = refusal(desk.call("list", exits=2))
    assert "has the same id as project 'beta'" in told and "projects.gamma.id" in told.replace("[", "").replace("]", "")
