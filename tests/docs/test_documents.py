"""What the documents say exists: links lead somewhere, commands and options are known, generated pages are fresh."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from strongroom import settings
from strongroom.settings.document import Document
from strongroom.settings.example import EXAMPLE
from tests.docs import settings_page
from tests.docs.generated import MEANINGS, all_errors, commands, generated, option_names
from tests.docs.pages import DOCS, ROOT, anchors, blocks, links, pages, section, table_rows
from tests.docs.settings_schema import schema_of

_LINE = re.compile(r"^ *(?:\$ |[\d*/ ]+)?(strongroom [a-z](?:\"[^\"\n]*\"|'[^'\n]*'|[^|>\n\"'])*)", re.MULTILINE)
"""A command in a block: as it is, behind a prompt, or behind the times of a crontab."""

_INLINE = re.compile(r"`(strongroom [a-z][^`]*)`")
_IMPORT = re.compile(r"^\s*(?:from (\w+)[\w.]* import|import (\w+))", re.MULTILINE)
_COMPANIONS = frozenset({"_typeshed", "adbc_driver_manager", "botocore", "urllib3", "werkzeug"})
"""Which the driver of PostgreSQL, boto3 and moto are made of and document as their own; the first is of type checkers alone."""


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
    length = next((size for size in (3, 2) if len(words) >= size and " ".join(words[:size]) in commands()), 1)
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


def test_every_table_of_the_settings_is_documented() -> None:
    made = schema_of(Document)
    documented = {model.__name__ for model in settings_page.SECTIONS.values()}
    assert documented == made["$defs"].keys()


def test_the_settings_of_the_example_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "strongroom.toml"
    file.write_text(blocks(DOCS / "settings.md", "toml")[0].text)
    found = settings.load(file)
    assert [source.name for source in found.projects["parcelo"]] == ["reports", "tickets"]


def test_the_schema_takes_the_example_and_refuses_what_is_not_a_setting() -> None:
    schema = json.loads((DOCS / "settings.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    value = tomllib.loads(EXAMPLE)
    assert not list(validator.iter_errors(value))
    changes: tuple[dict[str, Any], ...] = (
        {"projcts": {}},
        {"repository": {"adress": "x"}},
        {"projects": {"a": {"keep": {"daily": "many"}}}},
        {"projects": {"a": {"sources": [{"kind": "Reports", "path": "x"}]}}},
        {"daemon": {"log": "xml"}},
    )
    for change in changes:
        assert list(validator.iter_errors(value | change)), change


def test_every_dependency_is_explained_and_every_explained_one_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for heading, lines in (
        ("## Needed to run", project["project"]["dependencies"]),
        ("## Extras", [one for extra in project["project"]["optional-dependencies"].values() for one in extra]),
        ("## Needed to develop", project["dependency-groups"]["dev"]),
    ):
        needed = {re.split(r"[\[>=<~ ]", line)[0] for line in lines}
        assert table_rows(section(DOCS / "dependencies.md", heading)).keys() - {"package", "---"} == needed


def test_what_the_packages_import_is_among_the_dependencies() -> None:
    """What comes with a dependency only by chance may be gone, or another one, with its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    declared = {re.split(r"[\[>=<~ ]", line)[0].lower() for line in (*project["dependencies"], *extras)}
    own = {path.parent.name for path in ROOT.glob("*/py.typed")}
    known = sys.stdlib_module_names | own | _COMPANIONS
    known |= {name for name, given_by in packages_distributions().items() if {one.lower() for one in given_by} & declared}
    for package in sorted(own):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text("utf-8")
            if {one or other for one, other in _IMPORT.findall(text)} - known:  # some stand in examples only
                assert not _imported(text) - known, f"{file.relative_to(ROOT)} imports what is not among the dependencies"


def _imported(text: str) -> set[str]:
    nodes = [*ast.walk(ast.parse(text))]
    names = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


def test_each_command_has_a_line_about_the_console_which_has_it_or_says_why_not() -> None:
    text = section(DOCS / "console.md", "## What stays on the command line")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    said = [word for row in rows for word in re.findall(r"`([a-z-]+)`", row[0])]
    assert sorted(said) == sorted({one.split()[0] for one in commands()}), "each once"
    assert all(len(row) == 3 and (row[1].strip() or row[2].strip()) for row in rows)
