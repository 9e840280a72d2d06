"""Commands before and after a backup: dumps are in the snapshot, failures are problems, and nothing keeps running."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files


@pytest.fixture
def kept(desk: Desk) -> Desk:
    write_files(desk.folder / "source", {"a.csv": b"a"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    return desk


def hook(desk: Desk, text: str, table: str = "projects.acme.hooks") -> None:
    """A table of hooks, in place of the one before."""
    before = desk.settings.read_text().partition(f"\n[{table}]")[0]
    desk.settings.write_text(f"{before}\n[{table}]\n{text}\n")


def sh(script: str) -> str:
    return json.dumps(["sh", "-c", script])


def backed_up(desk: Desk, *options: str, exits: int = 0) -> dict[str, Any]:
    (found,) = desk.call("backup", *options, "--json", exits=exits).document["snapshots"]
    assert isinstance(found, dict)
    return found


def gone(desk: Desk, pid_file: str, seconds: float = 10) -> bool:
    """Whether the process that wrote its number there has ended."""
    number = int((desk.folder / pid_file).read_text())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_dump_that_is_made_before_is_in_the_snapshot_and_removed_after(kept: Desk) -> None:
    hook(kept, f"before = {sh('echo dumped > source/dump.sql')}\nafter = {sh('rm source/dump.sql')}")
    found = backed_up(kept)
    assert [(one["hook"], one["exit_code"], one["trouble"]) for one in found["hooks"]] == [
        ("before", 0, None),
        ("after", 0, None),
    ]
    assert not (kept.folder / "source/dump.sql").exists()
    assert kept.call("restore", "acme", "reports/dump.sql", "--to", "-").out == b"dumped\n"


def test_a_command_knows_what_it_is_for_and_none_of_our_secrets(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hook(kept, f"before = {sh('env > before.txt; cat')}\nafter = {sh('env > after.txt; pwd >> after.txt')}")
    secrets = {"AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_ACCESS_KEY_ID": "id", "STRONGROOM_CONFIG": "strongroom.toml"}
    variables = secrets | {"PGPASSWORD": "theirs"}
    desk = Desk(kept.folder, kept.place, variables)
    snapshot = backed_up(desk)["snapshot"]
    before, after = ((kept.folder / f"{name}.txt").read_text().splitlines() for name in ("before", "after"))
    for line in ("STRONGROOM_PROJECT=acme", "STRONGROOM_SOURCE=reports", "PGPASSWORD=theirs"):
        assert line in before and line in after
    assert f"STRONGROOM_SOURCE_PATH={kept.folder / 'source'}" in before and "STRONGROOM_HOOK=before" in before
    assert f"STRONGROOM_SNAPSHOT={snapshot}" in after and "STRONGROOM_RESULT=done" in after
    assert after[-1] == str(kept.folder)
    for name in secrets:
        assert not any(line.startswith(f"{name}=") for line in (*before, *after))


def test_a_command_is_no_line_of_a_shell(kept: Desk) -> None:
    hook(kept, 'before = ["touch", "a b; touch c", "$HOME"]')
    backed_up(kept)
    assert (kept.folder / "a b; touch c").exists() and (kept.folder / "$HOME").exists() and not (kept.folder / "c").exists()
    for wrong, said in (('"pg_dump crm"', '["sh", "-c"'), ('[""]', "names no program"), ('["a", 1]', "before")):
        hook(kept, f"before = {wrong}")
        assert said in refusal(kept.call("backup", exits=2)), wrong


def test_where_it_fails_the_backup_goes_on_and_ends_with_3(kept: Desk) -> None:
    hook(kept, f"before = {sh('echo no such database >&2; exit 7')}\non_failure = {sh('echo $STRONGROOM_RESULT > failed')}")
    told = kept.call("backup", exits=3)
    assert "2 new" in told.text and "the hook 'before' said: no such database" in told.err
    assert "problem: acme/reports: the hook 'before' failed: exit code 7" in told.err
    assert (kept.folder / "failed").read_text() == "done\n"
    found = backed_up(kept, exits=3)
    assert found["problems"] == 1 and found["hooks"][0]["output"] == ["no such database"] and found["snapshot"]
    hook(kept, 'after = ["no-such-program"]')
    found = backed_up(kept, exits=3)
    assert "could not be started" in found["hooks"][0]["trouble"] and found["snapshot"]
    assert "no-such-program" in kept.call("settings", "check").text + kept.call("settings", "check").err


def test_or_the_source_is_skipped_and_the_others_have_their_turn(kept: Desk) -> None:
    write_files(kept.folder / "crm", {"b.csv": b"b"})
    text = kept.settings.read_text()
    kept.settings.write_text(
        f'{text}\n[[projects.acme.sources]]\nkind = "tickets"\npath = "{kept.folder / "crm"}"\n'
        f'hooks = {{ before = ["false"], when_it_fails = "skip" }}\n'
    )
    hook(kept, f"after = {sh('echo $STRONGROOM_SOURCE $STRONGROOM_RESULT $STRONGROOM_ERROR >> results')}")
    told = kept.call("backup", "--json", exits=3)
    reports, tickets = told.document["snapshots"]
    assert reports["snapshot"] and "snapshot" not in tickets and "'before' failed: exit code 1" in tickets["skipped"]
    assert "acme/tickets was not backed up" in told.err
    results = (kept.folder / "results").read_text().splitlines()
    assert results[0].strip() == "reports done" and results[1].startswith("tickets skipped the hook 'before' failed")
    assert [one["source"] for one in kept.call("list", "--json").document["projects"][0]["snapshots"]] == ["reports"]


def test_after_runs_though_the_backup_failed(kept: Desk) -> None:
    hook(kept, f"on_failure = {sh('echo failure >> order')}\nafter = {sh('echo after $STRONGROOM_RESULT >> order')}")
    (kept.folder / "source").rename(kept.folder / "away")
    kept.call("backup", exits=1)
    assert (kept.folder / "order").read_text() == "failure\nafter failed\n"


def test_what_takes_too_long_is_ended_with_all_that_it_has_started(kept: Desk) -> None:
    script = "echo begun; trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; sleep 60' & wait; sleep 60"
    hook(kept, f'before = {sh(script)}\ntimeout = "1 second"')
    began = time.monotonic()
    found = backed_up(kept, exits=3)
    assert time.monotonic() - began < 30 and "did not end within 1 second" in found["hooks"][0]["trouble"]
    assert found["hooks"][0]["output"] == ["begun"] and found["snapshot"] and gone(kept, "child")


def test_output_is_bounded_and_safe_to_show(kept: Desk) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; printf 'bad\\033line'; exit 1"
    hook(kept, f"before = {sh(script)}")
    told = kept.call("backup", "--json", exits=3)
    output = told.document["snapshots"][0]["hooks"][0]["output"]
    assert sum(map(len, output)) <= 16 * 1024 + 10 and output[-1] == "bad\\x1bline"
    assert "\x1b" not in told.err


def test_what_is_left_behind_with_the_output_open_holds_nobody_up(kept: Desk) -> None:
    hook(kept, f"before = {sh('sleep 60 & echo $! > child; echo started')}")
    began = time.monotonic()
    found = backed_up(kept)
    os.kill(int((kept.folder / "child").read_text()), signal.SIGKILL)
    assert time.monotonic() - began < 20 and found["hooks"][0]["output"] == ["started"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_command_and_starts_the_one_after(kept: Desk, number: signal.Signals) -> None:
    script = "sh -c 'echo $$ > child; sleep 60' & wait"
    hook(kept, f"before = {sh(script)}\nafter = {sh('sleep 0.5; echo $STRONGROOM_RESULT > after')}")
    process = kept.start("backup")
    deadline = time.monotonic() + 30
    while not (kept.folder / "child").exists() or not (kept.folder / "child").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130 and gone(kept, "child")
    while not (kept.folder / "after").exists() or not (kept.folder / "after").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (kept.folder / "after").read_text() == "interrupted\n"
    hook(kept, "")
    assert backed_up(kept)["snapshot"]


def test_a_source_has_the_commands_of_its_project_but_for_its_own(kept: Desk) -> None:
    text = kept.settings.read_text()
    kept.settings.write_text(f"{text}hooks = {{ before = [] }}\n")
    hook(kept, f"before = {sh('echo project >> ran')}\nafter = {sh('echo after >> ran')}")
    backed_up(kept)
    assert (kept.folder / "ran").read_text() == "after\n"
    kept.settings.write_text(text)
    hook(kept, f"after = {sh('echo default >> ran')}", "defaults.hooks")
    backed_up(kept)
    assert (kept.folder / "ran").read_text() == "after\ndefault\n"


def test_the_daemon_runs_them_too(kept: Desk) -> None:
    text = kept.settings.read_text()
    kept.settings.write_text(f'{text}\n[projects.acme.schedule]\nbackup = {{ every = "day" }}\n')
    hook(kept, f"before = {sh('echo dumped > source/dump.sql')}\nafter = {sh('rm source/dump.sql; exit 1')}")
    logged = kept.run("daemon", "--once", exits=3)
    assert "the hook 'after' failed: exit code 1" in logged.text
    assert kept.call("restore", "acme", "reports/dump.sql", "--to", "-").out == b"dumped\n"


def test_restored_settings_say_which_commands_they_will_run(kept: Desk) -> None:
    hook(kept, 'before = ["no-such-dump", "a b"]\nafter = ["true"]')
    kept.call("backup", exits=3)
    kept.settings.unlink()
    told = kept.run("settings", "restore", "--repository", kept.place.address, "--identity", str(kept.kit), "--json").document
    assert told["commands"] == {
        "projects.acme.hooks.before": "no-such-dump 'a b'",
        "projects.acme.hooks.after": "true",
    }
    assert told["missing"]["projects.acme.hooks.before"] == "no-such-dump"
