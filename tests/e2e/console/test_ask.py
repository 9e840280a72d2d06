"""Ask: SQL over history within what somebody may see, as a page, as a file, as a question that is kept."""

from __future__ import annotations

import io
from collections.abc import Iterator

import openpyxl
import pytest

import strongroom
from console.access.rights import Assignment, Person, Role
from console.gateway import asking
from strongroom.audit import LogSelection, read_log
from strongroom.audited_projects import audited_projects
from tests.support.console import ConsoleClient, console_of, links_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

ASK = "/projects/acme/ask"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("ask") / "desk", Place("repository"))
    write_files(
        made.folder / "reports",
        {"north-2024-05.csv": b"agent,calls\nolena,17\n=1+1,3\n", "south-2024-05.csv": b"agent,calls\nsecret-agent,5\n"},
    )
    write_files(made.folder / "payroll", {"2024.csv": b"who,salary\nboss,100\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'reports'}", f"payroll={made.folder / 'payroll'}")
    made.add("zarya", f"reports={made.folder / 'reports'}")
    made.call("backup")
    return made


@pytest.fixture
def console(desk: Desk) -> Iterator[ConsoleClient]:
    whole = person("ira", Role.EXPORTER, projects=["acme"])
    narrow = Person("nina", assignments=(Assignment(Role.EXPORTER, ("acme",), paths=("reports/north-*",)),))
    viewer = person("anna", Role.VIEWER)
    with console_of(desk, whole, narrow, viewer) as made:
        yield made


def test_a_question_is_answered_and_is_in_the_log_with_the_name(desk: Desk, console: ConsoleClient) -> None:
    sql = "select agent, calls from reports where calls > 4 order by calls"
    page = console.post(ASK, {"sql": sql})
    assert page.status_code == 200 and "secret-agent 5 olena 17" in text_of(page) and "2 rows" in text_of(page)
    with strongroom.open_repository(desk.settings) as repository:
        found = read_log(repository.context, audited_projects(repository.context), LogSelection(actions=("query",)))
    assert [(one.entry.who.user, one.entry.what["questions"]) for one in found.entries] == [("ira", [sql])]


def test_what_somebody_may_not_see_is_in_no_answer_and_no_table(console: ConsoleClient) -> None:
    console.person = "nina"
    assert "olena" in console.post(ASK, {"sql": "select * from reports"}).text
    for sql in (
        "select * from reports",
        "select * from payroll",
        "select * from duckdb_tables()",
        "select * from duckdb_views()",
        "select * from glob('strongroom://**')",
        "select filename from reports",
    ):
        page = console.post(ASK, {"sql": sql})
        assert page.status_code in (200, 400, 404, 500), sql
        for hidden in ("secret-agent", "south", "salary", "boss"):
            assert hidden not in page.text.replace(sql, ""), (sql, hidden)
    tables = console.get(f"{ASK}?tables=yes")
    assert "agent" in tables.text and "payroll" not in tables.text


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/proc/self/environ')",
        "copy (select 1) to '/tmp/out.csv'",
        "attach '/tmp/x.db'",
        "install httpfs",
        "set memory_limit='10GB'",
        "select 1; select 2",
        "",
    ],
)
def test_a_question_reaches_nothing_but_the_tables(console: ConsoleClient, sql: str) -> None:
    page = console.post(ASK, {"sql": sql})
    assert page.status_code == 400 and "root:" not in page.text


def test_an_answer_is_taken_as_a_file_in_which_no_cell_is_a_formula(console: ConsoleClient) -> None:
    asked = {"sql": "select agent, calls from reports order by agent"}
    table = console.post(ASK, asked | {"do": "csv"})
    assert table.headers["content-disposition"].startswith('attachment; filename="acme.csv"')
    assert "'=1+1,3" in table.text
    book = openpyxl.load_workbook(io.BytesIO(console.post(ASK, asked | {"do": "xlsx"}).content))
    sheet = book.worksheets[0]
    assert [cell.value for cell in sheet["A"]][:2] == ["agent", "=1+1"]
    assert all(cell.data_type != "f" for cell in sheet["A"])


def test_an_answer_that_takes_too_long_is_given_up(console: ConsoleClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.3)
    endless = "select count(*) from range(100000000) a, range(100000000) b, reports where a.range % 7 = b.range % 5"
    page = console.post(ASK, {"sql": endless})
    assert page.status_code == 413 and "takes too long" in page.text
    monkeypatch.undo()
    assert console.post(ASK, {"sql": "select 1 as one from reports limit 1"}).status_code == 200


def test_questions_are_kept_shared_and_removed(console: ConsoleClient) -> None:
    own = {"sql": "select 1 as mine from reports", "do": "keep", "title": "My <own>"}
    shared = {"sql": "select 2 as ours from reports", "at": "2030-01-01", "do": "keep", "title": "Ours", "shared": "yes"}
    assert console.post(ASK, own).status_code == console.post(ASK, shared).status_code == 303
    page = console.get(ASK)
    assert {"My <own>", "Ours"} <= links_of(page).keys()
    kept = console.get(links_of(page)["My <own>"])
    assert "select 1 as mine from reports" in kept.text
    mine = links_of(page)["My <own>"].partition("question=")[2]
    console.person = "nina"
    others = console.get(ASK)
    assert "Ours" in links_of(others) and "My <own>" not in links_of(others)
    assert "select 1 as mine" not in console.get(f"{ASK}?question={mine}").text
    assert console.post(f"{ASK}/remove", {"question": mine}).status_code == 404
    console.person = "ira"
    assert console.post(f"{ASK}/remove", {"question": mine}).status_code == 303
    assert "My <own>" not in links_of(console.get(ASK))
    assert console.post(ASK, {"sql": "select 1", "do": "keep", "title": " "}).status_code == 400


def test_who_may_not_ask_gets_nothing(console: ConsoleClient) -> None:
    assert console.get("/projects/zarya/ask").text == console.get("/projects/nothing/ask").text
    console.person = "anna"
    for page in (console.get(ASK), console.post(ASK, {"sql": "select * from reports"}), console.post(f"{ASK}/remove", {})):
        assert page.status_code == 403


def test_a_table_whose_files_are_broken_is_listed_beside_the_others(desk: Desk) -> None:
    write_files(desk.folder / "broken", {"raw/a.json": b'{"a": 1', "more/b.csv": b"x,y\n1,2\n"})
    desk.add("broken", f"raw={desk.folder / 'broken'}")
    desk.call("backup", "broken")
    with console_of(desk, person("ira", Role.EXPORTER)) as console:
        page = console.get("/projects/broken/ask?tables=yes")
        assert page.status_code == 200
        assert "Its files cannot be read as a table." in text_of(page) and "<code>y</code>" in page.text
