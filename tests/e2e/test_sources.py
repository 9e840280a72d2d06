"""Sources that are no folders, through the command: added, tested, backed up, looked at, and put back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk, refusal


@pytest.fixture
def acme(desk: Desk) -> Desk:
    """A project without a source."""
    desk.init()
    desk.call("project", "add", "acme")
    return desk


@pytest.fixture
def cdr(acme: Desk) -> Desk:
    """And with a database of calls and their agents."""
    with changing(acme) as database:
        database.execute("create table agents (id integer primary key, name text not null)")
        database.execute(
            "create table calls (id integer primary key, at text, agent int references agents (id), number text, "
            "v int default 1)"
        )
        database.execute("create index calls_at on calls (at)")
        database.executemany("insert into agents values (?, ?)", [(1, "Olena"), (2, "Петро")])
        rows = [(n, f"2024-{n % 4 + 1:02}-17 10:00:00", n % 2 + 1, f"+38044{n:07}") for n in range(1, 201)]
        database.executemany("insert into calls (id, at, agent, number) values (?, ?, ?, ?)", rows)
    url = f"sqlite:{acme.folder / 'cdr.db'}"
    options = ("--time-column", "at", "--option", "version_column=v", "--yes")
    acme.call("source", "add", "acme", "raw", url, "--name", "cdr", *options)
    return acme


def changing(desk: Desk) -> Any:
    """The database, in a transaction that is committed at the end."""

    class Changing:
        def __enter__(self) -> sqlite3.Connection:
            self.database = sqlite3.connect(desk.folder / "cdr.db")
            return self.database

        def __exit__(self, *_: object) -> None:
            self.database.commit()
            self.database.close()

    return Changing()


def rows(file: Path, table: str = "calls") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(f"select * from {table} order by 1").fetchall()


def backed_up(desk: Desk, exits: int = 0) -> dict[str, Any]:
    (found,) = desk.call("backup", "--json", exits=exits).document["snapshots"]
    assert isinstance(found, dict)
    return found


def test_a_project_without_a_source_gets_one_and_the_settings_keep_their_comments(acme: Desk) -> None:
    acme.settings.write_text(acme.settings.read_text().replace("[projects.acme]", "[projects.acme] # our first client"))
    assert "names no source" in refusal(acme.call("backup", "acme", exits=2))
    added = acme.call(
        "source",
        "add",
        "acme",
        "raw",
        "command:echo hello",
        "--name",
        "greeting",
        "--option",
        "item=a/b.txt",
        "--yes",
        "--json",
    ).document
    assert (added["source"], added["url"], added["path"]) == ("greeting", "command:echo hello", None)
    text = acme.settings.read_text()
    assert "# our first client" in text and 'options = {item = "a/b.txt"}' in text
    (acme.folder / "files").mkdir()
    acme.call("source", "add", "acme", "reports", "files", "--yes")
    listed = acme.call("source", "list", "--json").document["sources"]
    assert [(one["source"], one["kind"]) for one in listed] == [("greeting", "raw"), ("reports", "reports")]
    assert acme.call("settings", "check").code == 0
    assert "greeting" in acme.call("source", "list", "acme").text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("raw", "sqlight:/data.db"), "did you mean sqlite:"),
        (("raw", "sqlite:"), "names no file"),
        (("raw", "command:'half"), "is not a whole command"),
        (("raw", "oracle://me:geheim@host/db"), "URL"),
        (("raw", "postgresql://me:geheim@host/db"), "more than a host and a database"),
        (("raw", "postgresql://host/db", "--option", "sslmode=perhaps"), "must be one of"),
        (("raw", "webdavs://me:geheim@host/path"), "more than a host and a path"),
        (("raw", "webdavs://host/path", "--option", "known_by=luck"), "must be one of"),
        (("raw", "webdavs://host/path", "--option", "password=geheim"), "secret"),
        (("raw", "command:echo", "--option", "timout=1h"), "did you mean 'timeout'?"),
        (("raw", "command:echo", "--option", "password=geheim"), "secret"),
        (("raw", "command:echo", "--option", "timeout=often"), "invalid duration"),
        (("raw", "command:echo", "--option", "item=../up"), "relative path"),
        (("raw", "command:echo", "--option", "item"), "expected KEY=VALUE"),
        (("Raw", "command:echo"), "small letters"),
        (("raw", "/no/such/folder"), "is not a folder"),
    ],
)
def test_a_source_that_cannot_be_is_refused_and_no_secret_is_repeated(
    acme: Desk, arguments: tuple[str, ...], words: str
) -> None:
    before = acme.settings.read_text()
    result = acme.call("source", "add", "acme", *arguments, "--yes", exits=(1, 2))
    assert words in refusal(result) and "geheim" not in result.err
    assert acme.settings.read_text() == before


def test_adding_is_asked_about_and_without_a_terminal_the_question_is_the_error(acme: Desk) -> None:
    assert "Change" in acme.call("source", "add", "acme", "raw", "command:echo x", exits=2).err
    assert "command:" not in acme.settings.read_text()


def test_a_test_shows_what_would_be_taken_and_writes_nothing(cdr: Desk) -> None:
    (found,) = cdr.call("source", "test", "acme", "--json").document["sources"]
    assert found["entity_names"] == ["agents", "calls"] and found["one_moment"]
    assert found["files"] == 6 and found["error"] is None and found["read_bytes"] > 0
    shown = cdr.call("source", "test", "acme", "cdr").text
    assert "agents" in shown and "Olena" not in shown and "xxxxx" in shown
    assert "raw/calls" not in cdr.call("find", "acme", "calls", exits=(0, 1)).text
    (cdr.folder / "cdr.db").unlink()
    result = cdr.call("source", "test", "acme", exits=1)
    assert "is not there" in result.err


def test_tables_are_listed_asked_and_shown_like_any_files(cdr: Desk) -> None:
    first = backed_up(cdr)
    assert (first["problems"], first["files"]) == (0, 6)
    again = backed_up(cdr)
    assert (again["changed"], again["added"], again["stored_bytes"]) == (0, 0, again["stored_bytes"])
    assert again["read_bytes"] < first["read_bytes"] / 2  # `agents` has no column of versions: it is read again
    (march,) = cdr.call("ls", "acme", "--period", "2024-03", "-r", "--json").document["items"]
    assert march["path"] == "raw/calls/2024-03.parquet"
    asked = cdr.call("query", "acme", "select count(*) as n from raw.calls", "--json", exits=(0, 2))
    if asked.code == 0:
        assert asked.document["rows"][0][0] in (200, "200")
    shown = cdr.call("snapshot", "show", "acme", "latest", "--json").document["coverage"]
    assert shown["source"] == "sqlite" and [one["name"] for one in shown["entities"]] == ["agents", "calls"]
    assert "sqlite: agents, calls" in cdr.call("snapshot", "show", "acme", "latest").text


def test_a_month_that_was_deleted_goes_back_and_newer_rows_stay(cdr: Desk) -> None:
    """The accident, over SQL: a month is deleted, found out weeks later, and put back among what came since."""
    backed_up(cdr)
    whole = rows(cdr.folder / "cdr.db")
    with changing(cdr) as database:
        database.execute("delete from calls where at like '2024-03%'")
    for week in range(3):
        with changing(cdr) as database:
            database.execute("insert into calls (at, agent, number) values ('2024-05-01', 1, ?)", (str(week),))
        backed_up(cdr)
    newer = [row for row in rows(cdr.folder / "cdr.db") if row not in whole]
    assert len(newer) == 3
    plan = cdr.call("restore", "acme", "raw/calls/2024-03.parquet", "--deleted", "--in-place", "--dry-run", "--json").document
    (calls,) = plan["tables"]
    assert not plan["done"] and (calls["inserted"], calls["replaced"], calls["rows_left"]) == (50, 0, 0)
    done = cdr.call("restore", "acme", "raw/calls/2024-03.parquet", "--deleted", "--in-place", "--yes").text
    assert "50 rows inserted" in done
    assert rows(cdr.folder / "cdr.db") == sorted([*whole, *newer])
    again = cdr.call("restore", "acme", "raw/calls/2024-03.parquet", "--deleted", "--in-place", "--yes", "--json").document
    assert (again["tables"][0]["inserted"], again["tables"][0]["equal"]) == (0, 50)


def test_rows_that_differ_are_refused_skipped_kept_where_newer_or_replaced(cdr: Desk) -> None:
    backed_up(cdr)
    whole = rows(cdr.folder / "cdr.db")
    with changing(cdr) as database:
        database.execute("update calls set number = 'x', v = 2 where id = 4")
        database.execute("update calls set number = 'y' where id = 8")
    changed = rows(cdr.folder / "cdr.db")
    command = ("restore", "acme", "raw/calls/**", "--in-place", "--yes")
    assert "2 rows are in the way" in refusal_after_plan(cdr.call(*command, exits=1).err)
    cdr.call(*command, "--existing", "skip")
    assert rows(cdr.folder / "cdr.db") == changed
    cdr.call(*command, "--existing", "newer")
    kept = rows(cdr.folder / "cdr.db")
    assert [row for row in kept if row not in whole] == [row for row in changed if row[0] == 4]
    cdr.call(*command, "--existing", "replace", "--where", "id in (1, 2, 3)")
    assert rows(cdr.folder / "cdr.db") == kept
    cdr.call(*command, "--existing", "replace", "--where", "id = 4 and number like '+380%'")
    assert rows(cdr.folder / "cdr.db") == whole
    assert "a row has one place" in cdr.call(*command, "--existing", "keep-both", exits=2).err


def refusal_after_plan(text: str) -> str:
    assert "strongroom: error: " in text and "hint: " in text
    return text


@pytest.mark.parametrize("where", ["nonsense (", "no_such_column = 1", "1); drop table rows_0; --", "load_extension('x')"])
def test_a_condition_can_ask_for_rows_and_do_nothing_else(cdr: Desk, where: str) -> None:
    backed_up(cdr)
    before = rows(cdr.folder / "cdr.db")
    result = cdr.call("restore", "acme", "raw/calls/**", "--in-place", "--where", where, "--yes", exits=2)
    assert "--where cannot be used" in result.err
    assert rows(cdr.folder / "cdr.db") == before


def test_a_new_database_gets_the_schema_and_only_what_was_asked_for(cdr: Desk, tmp_path: Path) -> None:
    backed_up(cdr)
    new = tmp_path / "new.db"
    cdr.call("restore", "acme", "raw/**", "--to", f"sqlite:{new}")
    assert rows(new) == rows(cdr.folder / "cdr.db") and rows(new, "agents") == rows(cdr.folder / "cdr.db", "agents")
    with closing(sqlite3.connect(new)) as database, closing(sqlite3.connect(cdr.folder / "cdr.db")) as old:
        schemas = [one.execute("select sql from sqlite_schema order by name").fetchall() for one in (database, old)]
        assert schemas[0] == schemas[1]
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    part = tmp_path / "part.db"
    cdr.call("restore", "acme", "raw/calls/2024-02.parquet", "--to", f"sqlite:{part}", "--where", "id < 10")
    assert [row[0] for row in rows(part)] == [1, 5, 9]
    assert not list(tmp_path.glob(".*.part"))


def test_rows_that_refer_to_what_is_not_there_are_not_written(cdr: Desk) -> None:
    backed_up(cdr)
    with changing(cdr) as database:
        database.execute("delete from calls")
        database.execute("delete from agents where id = 2")
    result = cdr.call("restore", "acme", "raw/calls/**", "--in-place", "--yes", "--before", "now", exits=(0, 1))
    assert result.code == 1 and "do not fit" in result.err and "nothing was written" in result.err
    assert rows(cdr.folder / "cdr.db") == []
    cdr.call("restore", "acme", "raw/**", "--in-place", "--yes")
    assert len(rows(cdr.folder / "cdr.db")) == 200


WHOLE_ROWS: list[tuple[Any, ...]] = [
    ("a", 1, 1.0, b"x"), ("a", 1, 1.0, b"x"), ("A", 1, 1.0, b"x"), ("a\0b", 1, 1.0, None), ("a\0c", 1, 1.0, None),
    (None, None, None, None), (None, None, None, None), ("", "1", 0.1, ""), ("", "1", 0.1, b""),
]  # fmt: skip


def test_tables_without_a_key_are_compared_by_whole_rows_as_often_as_they_are_there(cdr: Desk) -> None:
    select = (
        "select t, n, r, x, count(*) from log group by t collate binary, n, r, x, typeof(x) order by t collate binary, n, x"
    )
    with changing(cdr) as database:
        database.execute("create table log (t text collate nocase, n numeric, r real, x)")
        database.executemany("insert into log values (?, ?, ?, ?)", WHOLE_ROWS)
        database.execute("insert into log with recursive c(n) as (select 1 union all select n + 1 from c limit 30000) "
                         "select 'many', n % 15000, n % 15000, null from c")  # fmt: skip
        before = database.execute(select).fetchall()
    cdr.call("backup")
    command = ("restore", "acme", "raw/log.parquet", "--in-place", "--yes", "--json")
    (log,) = cdr.call(*command).document["tables"]
    assert (log["inserted"], log["equal"], log["rows"]) == (0, 30009, 30009)
    with changing(cdr) as database:
        gone = database.execute("delete from log where rowid in (1, 3, 4, 7, 8) or rowid % 3 = 0").rowcount
        database.execute("insert into log values ('later', 1, 1, 1)")
    (log,) = cdr.call(*command).document["tables"]
    assert gone > 10000 and (log["inserted"], log["equal"]) == (gone, 30009 - gone)
    with changing(cdr) as database:
        assert database.execute("delete from log where t = 'later'").rowcount == 1
        assert database.execute(select).fetchall() == before


def test_values_that_a_collation_takes_for_equal_are_two(cdr: Desk) -> None:
    with changing(cdr) as database:
        database.execute("create table names (id integer primary key, name text collate nocase, x)")
        database.execute("insert into names values (1, 'Ann', 1), (2, 'Bob', 1)")
    cdr.call("backup")
    with changing(cdr) as database:
        database.execute("update names set name = 'ANN' where id = 1")
        database.execute("update names set x = 1.0 where id = 2")
    cdr.call("restore", "acme", "raw/names.parquet", "--in-place", "--existing", "replace", "--yes")
    with changing(cdr) as database:
        assert database.execute("select *, typeof(x) from names").fetchall() == [
            (1, "Ann", 1, "integer"),
            (2, "Bob", 1, "integer"),
        ]


def test_what_cannot_be_is_said_in_the_plan(cdr: Desk) -> None:
    backed_up(cdr)
    with changing(cdr) as database:
        database.execute("drop index calls_at")
        database.execute("alter table calls drop column number")
        database.execute("alter table calls add column note text default 'none'")
        database.execute("create trigger counted after insert on calls begin update agents set name = name; end")
        database.execute("delete from calls where id = 5")
    done = cdr.call("restore", "acme", "raw/calls/2024-02.parquet", "--in-place", "--yes", "--json").document
    (calls,) = done["tables"]
    notes = " / ".join(calls["notes"])
    assert "left out: number" in notes and "defaults: note" in notes and "triggers of the table run: counted" in notes
    assert calls["inserted"] == 1


def test_nothing_goes_back_into_a_command(acme: Desk) -> None:
    acme.call("source", "add", "acme", "raw", "command:echo hello", "--yes")
    backed_up(acme)
    result = acme.call("restore", "acme", "--in-place", "--yes", exits=2)
    assert "nothing can be put back into the source 'raw'" in result.err
    acme.call("restore", "acme", "--to", "back")
    assert (acme.folder / "back/raw/raw").read_text() == "hello\n"


def test_a_source_is_compared_with_what_it_is_now(cdr: Desk) -> None:
    backed_up(cdr)
    same = cdr.call("diff", "acme", "--since", "now", "--live", "--json").document
    with changing(cdr) as database:
        database.execute("update calls set number = 'x', v = 2 where id = 4")
    after = cdr.call("diff", "acme", "--since", "now", "--live", "--json").document
    assert [one["path"] for one in same["items"]] == []
    assert [one["path"] for one in after["items"]] == ["raw/calls/2024-01.parquet"]


NAMES = ["a/b", "..", ".", ".hidden", "line\nbreak", "tab\t", "%2F", "a%", "schema.sql", "calls x", "ünïcödé ☎", "Ж" * 31,
         "a" * 200, " ", "x.parquet", 'q"uote', "it's", "back\\slash", "2024-01", "select", "(a", "on", "a on b"]  # fmt: skip


def test_names_that_a_path_cannot_say_come_and_go_back(acme: Desk) -> None:
    """Of tables and of columns."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    with changing(acme) as database:
        for place, name in enumerate(quoted):
            database.execute(f"create table {name} (id integer primary key, {name} text)")
            index = '"ix' + name[1:]
            database.execute(f"create index {index} on {name} ({name})")
            database.execute(f"insert into {name} values ({place}, 'v')")
    acme.call("source", "add", "acme", "raw", f"sqlite:{acme.folder / 'cdr.db'}", "--name", "cdr", "--yes")
    acme.call("backup")
    acme.call("restore", "acme", "raw/**", "--to", "sqlite:new.db", "--yes")
    with closing(sqlite3.connect(acme.folder / "new.db")) as database:
        for place, name in enumerate(quoted):
            assert database.execute(f"select id, {name} from {name}").fetchall() == [(place, "v")]
        (indexes,) = database.execute("select count(*) from sqlite_schema where type = 'index'").fetchone()
    assert indexes == len(NAMES)
