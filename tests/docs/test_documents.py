"""What the documents say exists: links lead somewhere, commands and options are known, generated pages are fresh."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import settings
from tests.docs.generated import MEANINGS, all_errors, commands, generated, option_names
from tests.docs.pages import DOCS, ROOT, anchors, blocks, links, pages, section, table_rows
from vault.errors import SettingsError

_LINE = re.compile(r"^ *(?:\$ |[\d*/ ]+)?(strongroom [a-z][^|>\n]*)", re.MULTILINE)
"""A command in a block: as it is, behind a prompt, or behind the times of a crontab."""

_INLINE = re.compile(r"`(strongroom [a-z][^`]*)`")


def named(page: Path) -> Iterator[str]:
    """Every command line of Strongroom that a page shows."""
    for block in blocks(page):
        if block.info in ("sh", "console", ""):
            yield from _LINE.findall(block.text)
    for line in _INLINE.findall(page.read_text("utf-8")):
        yield line.replace("…", " ")


def words_and_rest(line: str) -> tuple[str, list[str]]:
    """The words of a command, and what follows them."""
    words = shlex.split(line)[1:]
    length = 2 if " ".join(words[:2]) in commands() else 1
    return " ".join(words[:length]), words[length:]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.is_file(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_that_a_document_shows_exists(page: Path) -> None:
    for line in named(page):
        words, rest = words_and_rest(line)
        assert words in commands(), f"{page.name} shows {line!r}"
        options = {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"}
        assert options <= option_names(commands()[words]), f"{page.name} shows {line!r}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_source_file_that_a_document_names_exists(page: Path) -> None:
    for name in re.findall(r"\b(?:vault|restore|policies|cli|tests|benchmarks)/[\w/]+\.py\b", page.read_text("utf-8")):
        assert (ROOT / name).is_file(), f"{page.name} names {name}"


def test_documents_do_show_commands() -> None:
    shown = {words_and_rest(line)[0] for page in pages() for line in named(page)}
    assert shown >= {"init", "project add", "backup", "list", "restore", "check", "status", "doctor", "demo"}


def test_generated_pages_are_fresh() -> None:
    for page, text in generated().items():
        assert page.read_text("utf-8") == text, f"{page.name} is stale: python -m tests.docs.generated"


def test_every_exit_code_of_an_error_has_a_meaning() -> None:
    assert {one.exit_code for one in all_errors()} <= MEANINGS.keys()
    told = table_rows(section(DOCS / "operations.md", "## When something is wrong"))
    assert {int(code) for code in told if code.isdigit()} == MEANINGS.keys() - {0}


def known_keys(tmp_path: Path, before: str, after: str) -> set[str]:
    """The keys that a table of the settings may have, as the error about a wrong one lists them."""
    file = tmp_path / "strongroom.toml"
    file.write_text(f"{before}qqqqqqqq = 1{after}\n")
    with pytest.raises(SettingsError) as caught:
        settings.load(file)
    return set((caught.value.hint or "").removeprefix("there are: ").split(", "))


@pytest.mark.parametrize(
    ("heading", "before", "after"),
    [
        ("repository", "[repository]\n", ""),
        ("identity", "[identity]\n", ""),
        ("recovery", "[recovery]\n", ""),
        ("projects.NAME", '[repository]\naddress = "/x"\n[projects.parcelo]\n', ""),
        ("projects.NAME.sources", '[repository]\naddress = "/x"\n[projects.parcelo]\nsources = [{ ', " }]"),
    ],
)
def test_every_setting_is_documented_and_every_documented_one_exists(
    tmp_path: Path, heading: str, before: str, after: str
) -> None:
    documented = table_rows(section(DOCS / "settings.md", f"## {heading}")).keys() - {"key", "---"}
    assert documented == known_keys(tmp_path, before, after)


def test_every_table_of_the_settings_is_documented(tmp_path: Path) -> None:
    assert known_keys(tmp_path, "", "") == {"repository", "identity", "recovery", "projects"}


def test_the_settings_of_the_example_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "strongroom.toml"
    file.write_text(blocks(DOCS / "settings.md", "toml")[0].text)
    found = settings.load(file)
    assert [source.name for source in found.projects["parcelo"]] == ["reports", "archive"]


def test_every_dependency_is_explained_and_every_explained_one_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for heading, lines in (
        ("## Needed to run", project["project"]["dependencies"]),
        ("## Needed to develop", project["dependency-groups"]["dev"]),
    ):
        needed = {re.split(r"[\[>=<~ ]", line)[0] for line in lines}
        assert table_rows(section(DOCS / "dependencies.md", heading)).keys() - {"package", "---"} == needed
