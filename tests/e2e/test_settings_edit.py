"""`strongroom settings migrate` and `settings edit`: the file changes as a whole or not at all, nobody's change is lost."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from strongroom.settings.edit import SettingsFile
from tests.support.desk import Desk, refusal, without_root_powers
from tests.support.terminal import Terminal
from vault.errors import RefusedByRule

OLD = """\
# ours
[repository]
address = "repository"   # next door

[defaults.alerts]
shrunk = 0.2   # a fifth
[daemon]
at_once = 3
"""
NEW = OLD.replace("shrunk", "deleted_share").replace("at_once", "max_parallel")


@pytest.fixture
def old(desk: Desk) -> Desk:
    desk.settings.write_text(OLD)
    desk.settings.chmod(0o640)
    return desk


def copies(desk: Desk) -> list[Path]:
    return sorted(desk.folder.glob("strongroom.toml.*"))


def test_a_migration_is_shown_first_and_keeps_a_copy(old: Desk) -> None:
    tried = old.call("settings", "migrate", "--dry-run")
    assert old.settings.read_text() == OLD and not copies(old)
    assert "-at_once = 3" in tried.text and "+max_parallel = 3" in tried.text
    assert "--yes" in refusal(old.call("settings", "migrate", exits=2))
    assert old.settings.read_text() == OLD and not copies(old)

    done = old.call("settings", "migrate", "--yes")
    (copy,) = copies(old)
    assert "+deleted_share = 0.2   # a fifth" in done.err and str(copy) in done.text
    assert (old.settings.read_text(), old.settings.stat().st_mode & 0o777) == (NEW, 0o640)
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == (OLD, 0o600)
    assert "nothing to do" in old.call("settings", "migrate", "--yes").text and len(copies(old)) == 1


def test_a_migration_in_json_says_what_was_renamed(old: Desk) -> None:
    document = old.call("settings", "migrate", "--yes", "--json").document
    assert document["settings"] == [
        {"setting": "defaults.alerts.shrunk", "name": "deleted_share", "line": 6},
        {"setting": "daemon.at_once", "name": "max_parallel", "line": 8},
    ]
    assert Path(document["backup"]).read_text() == OLD


def test_a_file_with_old_names_works_and_every_command_says_the_new_ones(old: Desk) -> None:
    shown = old.call("settings", "show")
    assert "daemon.max_parallel = 3" in shown.text
    assert "'at_once' is now called 'max_parallel' (line 8); `strongroom settings migrate` renames it" in shown.err
    checked = old.call("settings", "check", "--json").document
    assert ("daemon.at_once", 8) in [(one["key"], one["line"]) for one in checked["warnings"]]


def test_a_link_to_the_settings_stays_a_link(old: Desk) -> None:
    real = old.folder / "real.toml"
    old.settings.rename(real)
    old.settings.symlink_to(real)
    old.call("settings", "migrate", "--yes")
    assert old.settings.is_symlink() and real.read_text() == NEW


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_the_settings_stays(old: Desk) -> None:
    os.chown(old.settings, 1234, 4321)
    old.call("settings", "migrate", "--yes")
    status = old.settings.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 4321, 0o640)
    assert old.settings.read_text() == NEW


def test_where_no_copy_can_be_kept_nothing_is_changed(old: Desk) -> None:
    old.folder.chmod(0o500)
    try:
        message = refusal(old.run("settings", "migrate", "--yes", exits=2, preexec_fn=without_root_powers))
    finally:
        old.folder.chmod(0o700)
    assert "can be kept" in message
    assert old.settings.read_text() == OLD and not copies(old)


def test_of_two_who_change_the_settings_the_second_is_refused(old: Desk) -> None:
    first, second = SettingsFile.read(old.settings), SettingsFile.read(old.settings)
    first.replace(NEW)
    with pytest.raises(RefusedByRule, match="changed by somebody else"):
        second.replace(OLD + "# mine\n")
    third = SettingsFile.read(old.settings)
    old.settings.write_text(NEW + "# with another editor\n")
    with pytest.raises(RefusedByRule):
        third.replace(OLD)
    assert old.settings.read_text() == NEW + "# with another editor\n"
    assert not list(old.folder.glob(".strongroom.toml*"))


def test_a_project_that_is_added_leaves_the_mode_of_the_settings(desk: Desk) -> None:
    desk.init()
    desk.settings.chmod(0o600)
    (desk.folder / "source").mkdir()
    desk.add("acme", "reports=source")
    assert desk.settings.stat().st_mode & 0o777 == 0o600


def with_editor(desk: Desk, program: str) -> Desk:
    """A desk whose editor is a Python program that has the file's path as `path`."""
    script = desk.folder / "editor.py"
    script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{program}\n")
    editor = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"
    return replace(desk, variables={**desk.variables, "EDITOR": editor, "TMPDIR": str(desk.folder)})


def test_without_a_terminal_there_is_no_editing(old: Desk) -> None:
    message = refusal(old.run("settings", "edit", exits=2))
    assert "no terminal" in message and "settings check" in message


def test_settings_are_replaced_once_they_can_be_used(old: Desk) -> None:
    desk = with_editor(
        old,
        "text = path.read_text()\n"
        "assert path.stat().st_mode & 0o777 == 0o600\n"
        "path.write_text(text.replace('= 3', '= many') if '= 3' in text else text.replace('= many', '= 4'))",
    )
    terminal = Terminal(desk, "settings", "edit")
    terminal.wait_for(b"Go on editing?")
    assert b"line 8" in terminal.shown
    assert old.settings.read_text() == OLD
    terminal.type(b"y\n")
    assert terminal.end() == 0, terminal.shown
    assert old.settings.read_text() == OLD.replace("= 3", "= 4")
    assert old.settings.stat().st_mode & 0o777 == 0o640
    assert not list(old.folder.glob("strongroom-settings-*"))


def test_what_was_typed_is_kept_when_somebody_else_was_faster(old: Desk) -> None:
    others = OLD + "# theirs\n"
    desk = with_editor(
        old,
        f"pathlib.Path({str(old.settings)!r}).write_text({others!r})\npath.write_text(path.read_text() + '# mine\\n')",
    )
    terminal = Terminal(desk, "settings", "edit", columns=400)
    assert terminal.end() == 21, terminal.shown
    (kept,) = old.folder.glob("strongroom-settings-*/strongroom.toml")
    assert (old.settings.read_text(), kept.read_text()) == (others, OLD + "# mine\n")
    assert os.fsencode(kept) in terminal.shown


def test_an_editor_that_fails_or_changes_nothing_leaves_the_settings(old: Desk) -> None:
    terminal = Terminal(with_editor(old, "sys.exit(3)"), "settings", "edit")
    assert terminal.end() == 2 and b"ended with exit code 3" in terminal.shown
    terminal = Terminal(with_editor(old, "pass"), "settings", "edit")
    assert terminal.end() == 0 and b"nothing was changed" in terminal.shown
    assert old.settings.read_text() == OLD and not list(old.folder.glob("strongroom-settings-*"))
