"""Hostile files in a real browser: whatever they hold, no script of theirs runs, on the page about them or as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.e2e.console.test_hostile_previews import FILES
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import running
from tests.support.desk import Desk, Place

ROLES = """
[[console.roles]]
role = "viewer"
people = ["olena"]
"""
DOCUMENT = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(attack\\(\\))>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Of somebody who looks at what others wrote."""
    desk = Desk(tmp_path_factory.mktemp("hostile") / "desk", Place("repository"))
    desk.init()
    source = desk.folder / "raw"
    source.mkdir()
    for one in FILES:
        (source / one.name).write_bytes(one.content)
    (source / "script.pdf").write_bytes(DOCUMENT)
    desk.add("acme", f"raw={source}")
    desk.call("backup")
    desk.settings.write_text(desk.settings.read_text() + ROLES)
    password = desk.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    desk.call("console", "user", "add", "olena", "--password-file", str(password))
    with running(desk) as console, chromium(console.url) as made:
        made.sign_in("olena", PASSWORD)
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", [*(one.name for one in FILES), "script.pdf"])
def test_no_script_of_a_file_runs_in_a_browser(window: Chromium, name: str) -> None:
    window.complaints()  # of the pages before this one
    for what in ("preview", "content"):
        window.open(f"/projects/acme/item/{what}?path={quote(f'raw/{name}', safe='')}")
        said = window.complaints()
        assert not [one for one in said if "attack" in one], said
        if what == "preview":
            assert name in window.text
            assert not [one for one in said if "Content Security Policy" in one], said


def test_a_picture_and_a_document_are_shown_within_the_page(window: Chromium) -> None:
    window.complaints()
    window.open("/projects/acme/item/preview?path=raw%2Fpolyglot.png")
    assert window.evaluate("document.querySelector('img').naturalWidth") == 2
    window.open("/projects/acme/item/preview?path=raw%2Fscript.pdf")
    assert window.evaluate("document.querySelector('iframe.document').clientHeight") > 100
    assert window.complaints() == []
