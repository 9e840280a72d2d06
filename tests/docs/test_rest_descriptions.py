"""Descriptions of REST interfaces in documents and in the package are ones that the program takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from strongroom.source_kinds import registry, rest
from vault.source.rest.description_parsing import parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sources.md").read_text()


def test_the_description_on_the_page_is_one_also_with_how_records_are_created() -> None:
    text, create = [one for one in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[resources." in one]
    found = parse(tomllib.loads(text))
    assert found.resources["tickets"].children and found.resources["tickets"].incremental is not None
    assert found.resources["tickets"].create is None
    made = parse(tomllib.loads(f"{text}\n{create}")).resources["tickets"].create
    assert made is not None and made.children and made.find is not None


def test_every_description_of_the_package_is_on_the_page_and_none_else() -> None:
    table = PAGE.partition("### Descriptions that come with Strongroom")[2].partition("### A description of your own")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE) == rest.shipped()


@pytest.mark.parametrize("name", rest.shipped())
def test_a_description_of_the_package_can_be_used_and_names_its_source(name: str) -> None:
    found = rest.described(f"rest:{name}", ROOT)
    assert found.documentation.startswith("https://") and found.auth.type != "none"
    registry.check_url(f"rest:{name}")


def test_every_option_is_on_the_page() -> None:
    table = PAGE.partition("## REST interfaces")[2]
    assert not [name for name in rest.OPTIONS if f"`{name}`" not in table]
