"""Options for every command: before or after its name, from variables, and what they do to what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from strongroom import environment
from tests.support.desk import SECRET, Desk, refusal
from tests.support.terminal import Terminal


def with_variables(desk: Desk, **variables: str) -> Desk:
    return replace(desk, variables=variables)


def test_options_may_stand_before_or_after_the_command(used: Desk) -> None:
    (used.folder / "strongroom.toml").rename(used.folder / "other.toml")
    for words in (
        "list acme --config other.toml --json",
        "--config other.toml --json list acme",
        "--json list acme --config=other.toml",
    ):
        assert used.call(*words.split()).document["projects"][0]["project"] == "acme"
    for words in ("--json --config other.toml settings check", "settings --json --config=other.toml check"):
        assert used.call(*words.split()).document["errors"] == []
    assert used.call("-q", "--config", "other.toml", "help", exits=2).err.startswith(
        "strongroom: error: `strongroom help` has no"
    )


def test_an_option_that_a_command_does_not_take_is_refused_before_it_too(used: Desk) -> None:
    assert "`strongroom backup` has no option --repository" in refusal(used.call("--repository", "x", "backup", exits=2))


def test_every_option_has_a_variable_that_says_the_same(used: Desk) -> None:
    found = with_variables(used, STRONGROOM_JSON="1").call("list").document
    assert found == used.call("list", "--json").document
    address = str(used.folder / used.place.address)
    (used.folder / "strongroom.toml").rename(used.folder / "other.toml")
    kit = f"{used.identity}:{used.kit}"
    opened = with_variables(used, STRONGROOM_REPOSITORY=address, STRONGROOM_IDENTITY=kit, STRONGROOM_LOG_FILE="log")
    assert opened.call("list", "--json").document["projects"][0]["project"] == "acme"
    assert "opened 2 identities" in (used.folder / "log").read_text()
    moved = with_variables(used, STRONGROOM_CONFIG="other.toml", STRONGROOM_VERBOSE="true")
    assert "opened the repository" in moved.call("list").err
    assert "error" in with_variables(used, STRONGROOM_JSON="yes").call("list", "--nonsense", exits=2).document
    assert with_variables(used, STRONGROOM_CONFIG="other.toml", STRONGROOM_QUIET="1").call("backup").out == b""
    with_variables(used, STRONGROOM_CONFIG="other.toml", STRONGROOM_YES="1").call("prune")


def test_init_makes_its_files_where_the_variables_say(desk: Desk) -> None:
    own = with_variables(desk, STRONGROOM_CONFIG="own.toml", STRONGROOM_IDENTITY="own.txt")
    own.init()
    assert (own.folder / "own.toml").is_file() and (own.folder / "own.txt").is_file()
    assert not own.settings.exists() and not own.identity.exists()
    own.call("list")


def test_what_is_typed_goes_before_a_variable(used: Desk) -> None:
    quiet = with_variables(used, STRONGROOM_QUIET="1", STRONGROOM_REPOSITORY=str(used.folder / "nothing"))
    assert "opened the repository" in quiet.call("list", "-v", "--config", "strongroom.toml").err
    loud = with_variables(used, STRONGROOM_VERBOSE="1")
    assert loud.call("backup", "--quiet").err == ""
    for words in ("-q -v", "--quiet --debug"):
        assert "exclude each other" in refusal(used.call("list", *words.split(), exits=2))


def test_runs_that_the_daemon_starts_say_themselves_what_they_want(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JSON", "QUIET", "VERBOSE", "DEBUG", "YES", "REPOSITORY", "LOG_FILE", "IDENTITY"):
        monkeypatch.setenv(f"STRONGROOM_{name}", "1")
    passed_on = {name for name in environment.for_children() if name.startswith("STRONGROOM_")}
    assert passed_on == {"STRONGROOM_LOG_FILE", "STRONGROOM_IDENTITY", "STRONGROOM_PARENT"}


def test_verbose_says_what_is_done_and_debug_every_request_with_times(used: Desk) -> None:
    assert used.call("backup").err == ""
    said = used.call("backup", "-v").err
    assert "settings: strongroom.toml\n" in said and "\nopened 1 identity\n" in said and "\nacme: looking at reports" in said
    assert "projects/" not in said
    debug = used.call("backup", "--debug").err.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line) for line in debug)
    assert any(" get strongroom.json" in line for line in debug)
    assert any(re.search(r" create projects/\w+/snapshots/", line) for line in debug)


def test_the_log_file_has_it_all_for_its_owner_alone(used: Desk) -> None:
    log = used.folder / "log"
    used.call("backup", "--log-file", "log")
    assert log.stat().st_mode & 0o777 == 0o600
    used.call("--log-file", "log", "restore", "acme", exits=2)
    used.call("list", "--debug", "--log-file", "log")
    text = log.read_text()
    lines = text.splitlines()
    assert all(
        re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 \[\d+\] (debug|info|warning|error): ", one) for one in lines
    )
    assert "info: acme: looking at reports" in text and "(hint: " in text
    assert re.search(r"error: .*There is no answer: there is no terminal", text)
    assert "strongroom backup ends with exit code 0" in text and "debug: get strongroom.json" in text
    assert not SECRET.search(text.encode())


def test_passwords_in_addresses_are_left_out_of_the_log_file(used: Desk) -> None:
    address = "s3://b/p?endpoint=http://user:geheim@127.0.0.1:1"
    used.call("list", "--repository", address, "--log-file", "log", exits=(1, 2, 10, 30))
    text = (used.folder / "log").read_text()
    assert "127.0.0.1:1" in text and "geheim" not in text


def test_a_log_file_that_cannot_be_written_is_an_error(used: Desk) -> None:
    assert "the log file nowhere/log cannot be written" in refusal(used.call("list", "--log-file", "nowhere/log", exits=1))


def test_nearby_names_are_suggested(used: Desk) -> None:
    assert "did you mean `strongroom restore`?" in refusal(used.call("restor", exits=2))
    assert "did you mean `strongroom settings check`?" in refusal(used.call("settings", "chek", exits=2))
    assert "did you mean --period?" in refusal(used.call("ls", "acme", "--perod", "2024", exits=2))
    assert "did you mean `strongroom help restore`?" in refusal(used.call("help", "restor", exits=2))
    assert used.call("lst", "--json", exits=2).document["error"]["message"] == "there is no command 'lst'"
    assert "--since" not in refusal(used.call("ls", "acme", "--frm", "x", exits=2))


def test_wrong_values_and_missing_words_are_explained(used: Desk) -> None:
    said = refusal(used.call("restore", "acme", "--to", "x", "--existing", "newr", exits=2))
    assert "invalid value for '--existing': 'newr' is not one of" in said and "did you mean newer?" in said
    assert "it must be greater than or equal to 0" in refusal(used.call("prune", "--max-time", "-3", exits=2))
    assert "hint: usage: strongroom find PROJECT [PATTERN...] [OPTIONS]" in refusal(used.call("find", exits=2))
    assert "option '--to' requires an argument" in refusal(used.call("restore", "acme", "--to", exits=2))


def test_no_record_can_pretend_to_be_several(used: Desk) -> None:
    used.call("list", "a\n2026-01-01T00:00:00.000+00:00 [1] info: \x1b[2J", "--log-file", "log", exits=2)
    (begun, *others) = (used.folder / "log").read_text().splitlines()
    assert "list a\\n2026" in begun and "\\x1b[2J" in begun
    assert all("\x1b" not in one and "[1]" not in one[:40] for one in (begun, *others))


def test_old_spellings_go_on_working_with_a_notice(used: Desk) -> None:
    for old, new, words in (
        ("--to", "--until", ("history", "acme", "reports", "--to=today")),
        ("--to", "--until", ("diff", "acme", "--since", "2199-01-01", "--to", "2199-01-02")),
        ("--profile", "--aws-profile", ("doctor", "--profile", "x", str(used.folder / used.place.address))),
        ("--for", "--reason", ("export", "acme", "--to", "bag", "--for", "audit", "--dry-run")),
    ):
        said = used.call(*words, exits=(0, 1)).err
        assert f"notice: {old} is called {new} now" in said
    used.call("export", "acme", "--to", "bag", "--reason", "--for")
    assert "Strongroom-Asked-For: --for\n" in (used.folder / "bag" / "bag-info.txt").read_text()


@pytest.mark.parametrize("words", ["-h", "restore -h", "settings -h", "settings check --help", "help settings check", "help"])
def test_help_is_shown_on_stdout_in_the_width_of_the_terminal(used: Desk, words: str) -> None:
    for columns in (60, 200):
        shown = with_variables(used, COLUMNS=str(columns)).call(*words.split()).text.splitlines()
        assert shown[0].startswith("Usage: strongroom") and "Examples:" in shown
        assert max(map(len, shown)) <= (60 if columns == 60 else 100)


def test_a_command_alone_shows_its_commands_on_stderr(used: Desk) -> None:
    for words in ((), ("settings",), ("-v",)):
        result = used.call(*words, exits=2)
        assert result.out == b"" and "Examples:" in result.err


def test_the_version_has_a_short_option(used: Desk) -> None:
    assert used.call("-V").out == used.call("--version").out != b""


def test_progress_goes_on_beside_what_is_said(used: Desk, tmp_path: Path) -> None:
    shown = Terminal(used, "backup", "-v")
    assert shown.end() == 0
    assert b"acme: looking at reports" in shown.shown
