"""A manager finds what vanished, at any moment, in folders, by period and with a search; and sees nothing of others."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import pytest

from console.access.rights import Assignment, Person, Role
from tests.support.console import ConsoleClient, console_of, links_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

MAY = {f"2024/05/calls-2024-05-{day:02}.csv": f"agent,calls\nolena,{day}\n".encode() for day in range(1, 32) if day != 9}
JUNE = {f"2024/06/calls-2024-06-{day:02}.csv": f"agent,calls\nivan,{day}\n".encode() for day in range(1, 31)}
NOTES = ({"notes.txt": b"Dear client,\nall is well.\nOlena\n"}, {"notes.txt": b"Dear client,\nall is <b>lost</b>.\nOlena\n"})
STRANGE = {'strange/\u202eevil <b>&".csv': b"x\n", "strange/new\nline.csv": b"y\n"}
TICKS = re.compile(r'<input type="checkbox" name="(item|folder|period)" value="([^"]*)"[^>]*?( checked)?>')


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Reports of two months and raw calls; then a day is written again, and May is deleted."""
    made = Desk(tmp_path_factory.mktemp("finding") / "desk", Place("repository"))
    write_files(made.folder / "reports", MAY | JUNE | STRANGE | NOTES[0])
    (made.folder / "reports" / "strange").joinpath("bytes-\udcff.csv").write_bytes(b"z\n")
    write_files(made.folder / "raw", {"secret-2024-05-01.json": b"{}"})
    made.init()
    made.add("parcelo", f"reports={made.folder / 'reports'}", f"raw={made.folder / 'raw'}")
    made.add("other", f"reports={made.folder / 'raw'}")
    made.call("backup")
    (made.folder / "reports/2024/06/calls-2024-06-03.csv").write_bytes(b"agent,calls\nivan,333\nolena,4\n")
    write_files(made.folder / "reports", NOTES[1])
    made.call("backup", "parcelo")
    shutil.rmtree(made.folder / "reports/2024/05")
    made.call("backup", "parcelo")
    return made


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[ConsoleClient]:
    """Asked by a manager first."""
    persons = (
        person("manager", Role.RESTORER, projects=["parcelo"]),
        person("viewer", Role.VIEWER, projects=["parcelo"], kinds=["reports"]),
        Person("narrow", assignments=(Assignment(Role.VIEWER, ("parcelo",), paths=("reports/2024/06/**",)),)),
        person("operator", Role.OPERATOR, projects=["parcelo"]),
        person("russian", Role.RESTORER, projects=["parcelo"], language="ru"),
    )
    with console_of(desk, *persons, fresh_for=3600) as client:
        assert client.get("/projects/parcelo").status_code == 200  # from here on it is known
        yield client


@pytest.fixture(autouse=True)
def _as_manager(console: ConsoleClient) -> None:
    console.person = "manager"


def ticks(text: str) -> list[tuple[str, str, bool]]:
    """Names, values and whether they are set, of all boxes of a page."""
    return [(name, unescape(value), bool(checked)) for name, value, checked in TICKS.findall(text)]


def test_from_the_card_one_click_shows_what_vanished_ready_to_be_put_into_the_basket(console: ConsoleClient) -> None:
    home = console.get("/")
    assert "reports: 30 files vanished today" in text_of(home)
    vanished = console.get(links_of(home)["Show them and get them back"])
    assert "30 files vanished" in text_of(vanished) and "the whole folder" in text_of(vanished)
    assert ticks(vanished.text) == [("folder", "reports/2024/05", True)]
    assert 'action="/projects/parcelo/basket"' in vanished.text
    assert '<input type="hidden" name="deleted" value="1">' in vanished.text


def test_one_folder_of_what_vanished_lists_its_files_with_ticks(console: ConsoleClient) -> None:
    page = console.get("/projects/parcelo/vanished?since=ever&folder=reports/2024/05")
    assert [value for _, value, checked in ticks(page.text) if checked] == sorted(f"reports/{name}" for name in MAY)
    assert console.get("/projects/parcelo/vanished?since=never").status_code == 400


def test_a_folder_shows_what_there_was_at_a_moment(console: ConsoleClient) -> None:
    now = console.get("/projects/parcelo?folder=reports/2024")
    assert "06" in links_of(now) and "05" not in links_of(now) and "30 files have vanished here." in text_of(now)
    timeline = console.get("/projects/parcelo/timeline")
    before = [address for address in links_of_all(timeline.text) if "?at=" in address][-1]
    then = console.get(f"{before}&folder=reports/2024")
    assert {"05", "06"} <= links_of(then).keys() and "vanished here" not in text_of(then)
    gone = console.get("/projects/parcelo?folder=reports/2024/05&deleted=1")
    assert "calls-2024-05-31.csv" in links_of(gone) and len(ticks(gone.text)) == 30


def test_a_folder_that_is_nowhere_is_not_there(console: ConsoleClient) -> None:
    assert console.get("/projects/parcelo?folder=reports/2031").status_code == 404
    assert console.get("/projects/parcelo?folder=" + "x" * 20_000).status_code == 404
    assert console.get("/projects/parcelo?at=nonsense").status_code == 400
    assert console.get("/projects/parcelo?page=999999999999999999").status_code == 200


def test_periods_go_down_to_days_and_show_gaps_and_what_vanished(console: ConsoleClient) -> None:
    years = console.get("/projects/parcelo/periods")
    assert ("period", "2024", False) in ticks(years.text)
    assert re.search(r"\d<span", years.text) is None, "how many there are, and how many vanished, are no one number"
    quarter = console.get("/projects/parcelo/periods?period=2024-Q2")
    assert [value for _, value, _ in ticks(quarter.text)] == ["2024-05", "2024-06"]
    assert "30 vanished" in text_of(quarter) and '<input type="hidden" name="deleted" value="with">' in quarter.text
    may = console.get("/projects/parcelo/periods?period=2024-05")
    assert len(ticks(may.text)) == 30 and may.text.count('class="mark changed"') == 1
    one_kind = console.get("/projects/parcelo/periods?period=2024-05&kind=raw")
    assert [value for _, value, _ in ticks(one_kind.text)] == ["2024-05-01"]
    assert '<input type="hidden" name="kind" value="raw">' in one_kind.text
    day = console.get("/projects/parcelo/periods?period=2024-06-03")
    assert "calls-2024-06-03.csv" in links_of(day)
    assert console.get("/projects/parcelo/periods?period=2024-W20").status_code == 400


def test_a_search_finds_parts_of_names_kinds_periods_and_what_vanished(console: ConsoleClient) -> None:
    def found(query: str) -> set[str]:
        page = console.get(f"/projects/parcelo/search?{query}", hx_request="true")
        assert "<html" not in page.text
        return set(links_of(page)) - {"Next"}

    assert found("q=CALLS+05-31") == {"calls-2024-05-31.csv"}
    assert found("q=secret&kind=raw&format=json") == {"secret-2024-05-01.json"}
    assert len(found("period=2024-05&state=deleted")) == 30
    assert found("period=2024-05&state=present") == {"secret-2024-05-01.json"}
    assert found("q=nowhere") == set()
    assert "not understood yet" in text_of(console.get("/projects/parcelo/search?period=2024-1x"))
    whole = console.get("/projects/parcelo/search?q=05-31")
    assert "<html" in whole.text and "calls-2024-05-31.csv" in links_of(whole)


def test_an_items_page_has_its_versions_and_the_way_back(console: ConsoleClient) -> None:
    page = console.get("/projects/parcelo/item?path=reports/2024/05/calls-2024-05-31.csv")
    assert "missing since" in text_of(page) and "Get this version back" in text_of(page)
    changed = console.get("/projects/parcelo/item?path=reports/2024/06/calls-2024-06-03.csv")
    assert text_of(changed).count("Look inside") >= 2 and 'name="since"' in changed.text
    preview = links_of(changed)["Look inside"]
    assert preview.startswith("/projects/parcelo/item/preview?path=reports%2F2024%2F06%2Fcalls-2024-06-03.csv&at=")
    assert console.get("/projects/parcelo/item?path=reports/nothing.csv").status_code == 404
    assert console.get("/projects/parcelo/item?path=" + quote(b"\0\xff")).status_code == 404


def test_two_versions_of_a_table_are_compared_cell_by_cell_and_it_is_recorded(console: ConsoleClient, desk: Desk) -> None:
    path = "reports/2024/06/calls-2024-06-03.csv"
    page = console.get(f"/projects/parcelo/item?path={path}")
    since, until = (re.findall(rf'name="{name}" value="([^"]+)"[^>]* checked', page.text)[0] for name in ("since", "until"))
    found = console.get(f"/projects/parcelo/item/differences?path={path}&since={since}&until={until}")
    assert found.status_code == 200
    assert "1 row changed" in text_of(found) and "1 row added" in text_of(found)
    assert '<td class="cell"><strong><bdi>333</bdi></strong></td>' in found.text
    assert "before ivan 3 after ivan 333" in text_of(found)
    same = console.get(f"/projects/parcelo/item/differences?path={path}&since={since}&until={since}")
    assert same.status_code == 400
    shown = desk.call("audit", "show", "--action", "diff", "--json").text
    assert '"manager"' in shown


def test_two_versions_of_a_text_are_side_by_side_and_that_they_were_looked_at_is_recorded(desk: Desk) -> None:
    with console_of(desk, person("manager", Role.VIEWER)) as console:
        page = console.get("/projects/parcelo/item?path=reports/notes.txt")
        since, until = (re.findall(rf'name="{name}" value="([^"]+)"[^>]* checked', page.text)[0] for name in ("since", "until"))
        found = console.get(f"/projects/parcelo/item/differences?path=reports/notes.txt&since={since}&until={until}")
    assert "1 Dear client, 1 Dear client, 2 all is well. 2 all is <b>lost</b>. 3 Olena 3 Olena" in text_of(found)
    assert "<del>all is well.</del>" in found.text and "<ins>all is &lt;b&gt;lost&lt;/b&gt;.</ins>" in found.text
    shown = desk.call("audit", "show", "--action", "view", "--json").text
    assert shown.count("reports/notes.txt") >= 2, "once the console has ended; before, looks wait for one another"


def test_columns_that_the_settings_mask_are_hidden_in_differences_too(desk: Desk) -> None:
    path = "reports/2024/06/calls-2024-06-03.csv"
    with console_of(desk, person("manager", Role.VIEWER), masked=("CALL*",)) as masking:
        page = masking.get(f"/projects/parcelo/item?path={path}")
        since, until = (re.findall(rf'name="{name}" value="([^"]+)"[^>]* checked', page.text)[0] for name in ("since", "until"))
        found = masking.get(f"/projects/parcelo/item/differences?path={path}&since={since}&until={until}")
        assert "before ivan ••• after ivan •••" in text_of(found) and "333" not in found.text
        assert '<td class="cell"><strong><bdi>•••</bdi></strong></td>' in found.text


def test_strange_names_come_through_and_are_only_text(console: ConsoleClient) -> None:
    page = console.get("/projects/parcelo?folder=reports/strange")
    assert "<b>" not in page.text.replace("<bdi>", "") and "\u202e" not in page.text
    assert "new\\nline.csv" in links_of(page) and "bytes-\\xff.csv" in links_of(page)
    for name, address in links_of(page).items():
        if name.endswith(".csv"):
            assert console.get(unescape(address)).status_code == 200, name
    assert ("item", "reports/strange/bytes-%FF.csv", False) in ticks(page.text)


HOSTILE = (
    *("", "\0", "%00", "%", "..", "../../etc/passwd", "a" * 9000, "[", "[z-a]", "**/**", "\U0001f4a5", "\ud83d", "-1", "1e9"),
    *("<script>", "2024-05-17T14:30:00+99:00", "9999-12-31", "0001-01-01", "last-999999-years", "2024..", "%ff%fe", "'; drop"),
)
PARAMETERS = {
    "": ("folder", "at", "deleted", "page"),
    "/periods": ("period", "kind", "at", "page"),
    "/timeline": ("deletions", "page"),
    "/vanished": ("since", "folder", "page"),
    "/search": ("q", "kind", "format", "period", "state", "page"),
    "/item": ("path", "at", "source"),
    "/item/differences": ("path", "since", "until", "source"),
}


@pytest.mark.parametrize("path", PARAMETERS)
def test_whatever_a_parameter_says_the_answer_is_a_page(console: ConsoleClient, path: str) -> None:
    for name in PARAMETERS[path]:
        for value in HOSTILE:
            page = console.get(f"/projects/parcelo{path}?{name}={quote(value.encode('utf-8', 'surrogatepass'))}")
            assert page.status_code in (200, 400, 403, 404), (name, value)
            assert "<script>" not in page.text.partition("<main")[2]


def test_who_may_see_one_kind_sees_nothing_of_others(console: ConsoleClient) -> None:
    console.person = "viewer"
    for path in ("", "/periods", "/timeline", "/vanished", "/search?q=secret", "/search"):
        page = console.get(f"/projects/parcelo{path}")
        assert page.status_code == 200, path
        assert "raw" not in text_of(page).split() and "secret-2024" not in page.text, path
        assert "checkbox" not in page.text, "a viewer gets nothing back"
    missing = console.get("/projects/parcelo/item?path=reports/nowhere.csv")
    hidden = console.get("/projects/parcelo/item?path=raw/secret-2024-05-01.json")
    assert (missing.status_code, text_of(missing)) == (hidden.status_code, text_of(hidden)) == (404, text_of(hidden))
    assert console.get("/projects/parcelo?folder=raw").status_code == 404


def test_who_may_see_some_paths_gets_no_numbers_of_others(console: ConsoleClient) -> None:
    console.person = "narrow"
    assert "30 files," in text_of(console.get("/")) and "vanished" not in text_of(console.get("/"))
    timeline = text_of(console.get("/projects/parcelo/timeline"))
    assert re.search(r"\d+ (vanished|new|changed)", timeline) is None
    assert "2024" in links_of(console.get("/projects/parcelo?folder=reports"))
    assert "strange" not in links_of(console.get("/projects/parcelo?folder=reports"))


@pytest.mark.parametrize(
    "path", ["", "/periods", "/timeline", "/vanished", "/search", "/item?path=x", "/item/differences?path=x"]
)
def test_a_project_of_others_looks_like_one_that_is_not_there(console: ConsoleClient, path: str) -> None:
    other, nowhere = (console.get(f"/projects/{name}{path}") for name in ("other", "nowhere"))
    assert other.status_code == nowhere.status_code == 404
    assert other.text.replace("other", "") == nowhere.text.replace("nowhere", "")


def test_who_sees_names_alone_may_not_look_at_rows(console: ConsoleClient) -> None:
    console.person = "operator"
    page = console.get("/projects/parcelo/item?path=reports/2024/06/calls-2024-06-03.csv")
    assert page.status_code == 200 and "Look inside" not in links_of(page)
    assert console.get("/projects/parcelo/item/differences?path=reports/2024/06/calls-2024-06-03.csv").status_code == 403


def test_all_of_it_is_in_the_language_of_the_person(console: ConsoleClient) -> None:
    console.person = "russian"
    assert "reports: сегодня пропало 30 файлов" in text_of(console.get("/"))
    assert "май 2024" in text_of(console.get("/projects/parcelo/periods?period=2024-Q2"))
    assert "Вернуть отмеченное" in text_of(console.get("/projects/parcelo/vanished"))


def links_of_all(text: str) -> list[str]:
    """All addresses of a page, in order."""
    return [unescape(one) for one in re.findall(r'<a href="([^"]*)"', text)]
