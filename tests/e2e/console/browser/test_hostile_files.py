"""Files in a real browser: a document is drawn, a recording is played from any place; and whatever hostile ones hold, no script
of theirs runs, on the page about them or as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from urllib.parse import quote

import pytest

from tests.e2e.console.test_hostile_previews import FILES
from tests.e2e.console.test_previews import wav
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import running
from tests.support.desk import Desk, Place

PATIENCE = 60.0
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
RED = b"1 0 0 rg 0 0 300 200 re f"
DRAWN = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R>>endobj
4 0 obj<</Length %d>>stream
%s
endstream endobj
trailer<</Root 1 0 R>>
""" % (len(RED), RED)
"""One red page."""

SHARE_OF_RED = """
(async () => {
  const picture = new Image();
  picture.src = "data:image/png;base64,%s";
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const data = context.getImageData(0, 0, picture.width, picture.height).data;
  let red = 0;
  for (let at = 0; at < data.length; at += 4) red += data[at] > 200 && data[at + 1] < 60 && data[at + 2] < 60;
  return red / (picture.width * picture.height);
})()
"""
SEEK = """
(async () => {
  const sound = document.querySelector("audio");
  const happens = name => new Promise((good, bad) => {
    sound.addEventListener(name, good);
    sound.addEventListener("error", bad);
  });
  if (sound.readyState < 1) { const known = happens("loadedmetadata"); sound.load(); await known; }
  const there = happens("seeked");
  sound.currentTime = %d;
  await there;
  return [Math.round(sound.duration), Math.round(sound.currentTime), sound.readyState >= 2];
})()
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
    (source / "drawn.pdf").write_bytes(DRAWN)
    (source / "call.wav").write_bytes(wav(900))
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


def test_a_document_is_drawn_within_the_page_and_on_a_page_of_its_own(window: Chromium) -> None:
    window.complaints()
    for what in ("preview", "content"):
        window.open(f"/projects/acme/item/{what}?path=raw%2Fdrawn.pdf")
        deadline = monotonic() + PATIENCE
        while (share := share_of_red(window)) < 0.02:
            assert monotonic() < deadline, f"it is not drawn: {share}"
            sleep(0.5)
        window.open("/account")
    assert window.complaints() == []


def test_a_recording_is_played_from_any_place_of_it(window: Chromium) -> None:
    window.complaints()
    window.open("/projects/acme/item/preview?path=raw%2Fcall.wav")
    for second in (880, 3, 450):
        assert window.evaluate(SEEK % second) == [900, second, True]
    assert window.complaints() == []


def share_of_red(window: Chromium) -> float:
    """Of what is on the screen; counted on a page that may load pictures from itself."""
    taken = window.driver.get_screenshot_as_base64()
    here = window.driver.current_window_handle
    window.driver.switch_to.new_window("tab")
    try:
        window.open("/login")
        return float(window.evaluate(SHARE_OF_RED % taken))
    finally:
        window.driver.close()
        window.driver.switch_to.window(here)
