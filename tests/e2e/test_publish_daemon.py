"""Publications by the daemon: after its backups, by the clock, with history and alerts as other jobs have."""

from __future__ import annotations

from tests.e2e.test_daemon import home, settle  # noqa: F401 (a fixture)
from tests.support.desk import Desk

SCHEDULE = """
[projects.acme.schedule]
backup = { every = "day at 03:00" }

[[projects.acme.publications]]
name = "bi"
to = "bi"
kinds = ["reports"]
as = "parquet"
after_backup = true
retries = 0

[[projects.acme.publications]]
name = "by-hand"
to = "other"
"""


def runs(desk: Desk) -> list[tuple[str, str]]:
    """The newest runs of all jobs, as they ended."""
    found = desk.call("daemon", "logs", "--json").document["runs"]
    return [(one["job"], one["ending"]) for one in found]


def backup(desk: Desk) -> None:
    """By the daemon, which ends then."""
    desk.run("daemon", "run", "backup reports", exits=(0, 3))


def test_what_the_settings_publish_follows_each_backup(home: Desk) -> None:  # noqa: F811 (the fixture)
    settle(home, SCHEDULE)
    home.run("daemon", "--once")
    assert runs(home) == [("backup reports", "done"), ("publish bi", "done")]
    published = {path.name for path in (home.folder / "bi/reports").rglob("*") if path.is_file()}
    assert published and not (home.folder / "other").exists()
    home.run("daemon", "--once")
    assert len(runs(home)) == 2, "nothing was backed up since"
    (home.folder / "source/later.csv").write_bytes(b"a,b\n1,2\n")
    backup(home)
    home.run("daemon", "--once")
    assert runs(home)[-1] == ("publish bi", "done")
    assert (home.folder / "bi/reports/later.parquet").is_file()
    jobs = {one["job"]: one for one in home.call("daemon", "jobs", "--json").document["jobs"]}
    assert jobs["publish bi"]["schedule"] == "after backups"
    assert jobs["publish bi"]["next_run"] == jobs["backup reports"]["next_run"]
    assert "publish by-hand" not in jobs
    log = home.call("daemon", "logs", "publish", "--lines", "1").text
    assert "1 file written" in log


def test_a_publication_that_fails_again_and_again_is_an_alert_that_a_clean_run_ends(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    (home.folder / "bi").write_bytes(b"no folder")
    home.run("daemon", "--once", exits=3)
    for number in range(2):
        (home.folder / f"source/{number}.csv").write_bytes(b"a\n1\n")
        backup(home)
        home.run("daemon", "--once", exits=3)
    assert [one for one in runs(home) if one[0] == "publish bi"] == [("publish bi", "failed")] * 3
    status = home.call("status", "acme", exits=3)
    assert "publish bi" in status.text and "strongroom publish acme --name bi" in status.text
    (home.folder / "bi").unlink()
    home.call("publish", "acme", "--name", "bi")
    assert "publish bi" not in home.call("status", "acme", exits=(0, 3)).text.replace("publish bi: next", "")


def test_all_publications_of_a_project_are_published_and_one_that_fails_stops_no_other(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    home.call("backup")
    (home.folder / "bi").write_bytes(b"no folder")
    result = home.call("publish", "acme", "--json", exits=1)
    bi, other = result.document["publication_list"]
    assert (bi["publication"], bi["error"]["what"]) == ("bi", "target-error")
    assert other["publication"] == "by-hand" and other["files_written"] > 0 and "problem_list" in other
    assert (home.folder / "other/reports").is_dir()


def test_a_publication_that_is_not_there_is_named(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    home.call("backup")
    result = home.call("publish", "acme", "--name", "by-hands", exits=2)
    assert "did you mean 'by-hand'?" in result.err
    assert "missing destination" in home.call("publish", "acme", "--kind", "reports", exits=2).err


def test_settings_of_publications_are_checked(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE + '[[projects.acme.publications]]\nname = "bi"\nto = "x"\ninclude_deleted = true\n')
    result = home.call("settings", "check", exits=1)
    assert "needs `as`" in result.text + result.err


def test_publications_that_cannot_do_what_they_should_look_odd(home: Desk) -> None:  # noqa: F811
    table = '[[projects.acme.publications]]\nname = "{}"\nto = "bi"\nafter_backup = true\n'
    settle(home, table.format("one") + table.format("two"))
    result = home.call("settings", "check").text
    assert "publications[1].to is where the publication 'one' of 'acme' goes" in result
    assert "publications[0].after_backup never comes" in result
