"""A piece of a recovery kit as a page to be printed: its text, and the same as QR codes. No script, nothing from elsewhere,
every text escaped.

The first code holds the secret alone, in capitals, as they make the code smaller: what a scanner gives back is as good as the
file. The second one holds the command that brings everything back.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from strongroom import recovery_kit

if TYPE_CHECKING:
    from strongroom.recovery_kit import KitPiece, RecoveryKit

_STYLE = """
body { font: 11pt/1.45 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
       color: #000; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 1.4rem }
.secret, code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
.secret { font-size: 1.15rem; white-space: pre-wrap; border: 1px solid #000; padding: .8rem 1rem }
.codes { display: flex; flex-wrap: wrap; gap: 2rem } figure { margin: 0 } figcaption { max-width: 18rem; font-size: .9rem }
svg { display: block } dt { font-weight: bold } dd { margin: 0 0 .3rem; overflow-wrap: anywhere }
@media print { body { margin: 0; max-width: none } .screen { display: none } }
@page { margin: 18mm }
""".strip()

_SCALE = 4
"""Of a module of a QR code, in pixels: a third of a millimetre per pixel on paper, so that a telephone reads it."""

LONGEST_IN_CODE = 1000
"""Bytes; more make a code that no telephone reads from paper."""


def page(kit: RecoveryKit, piece: KitPiece) -> str:
    """The whole page."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f'<meta name="robots" content="noindex">\n<title>{escape(piece.title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n'
    )
    return head + "<body>\n" + "\n".join(_body(kit, piece)) + "\n</body>\n</html>\n"


def _body(kit: RecoveryKit, piece: KitPiece) -> Iterator[str]:
    yield f"<h1>{escape(piece.title)}</h1>"
    where = "Lock it away in a place of its own, apart from the other shares." if piece.is_share else "Lock it away."
    yield f"<p><strong>{escape(piece.what_it_opens)}</strong> {where}</p>"
    yield '<p class="screen">Print this page, then delete the file and empty the trash.</p>'
    about = {
        "Repository": kit.repository,
        "Address": kit.address,
        "Kit": kit.fingerprint,
        "Made": f"{kit.made_at:%Y-%m-%d}",
    }
    yield "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in about.items()) + "</dl>"
    yield f"<h2>{'The words' if piece.is_share else 'The key'}</h2>"
    secret = "\n".join(recovery_kit.rows(piece.words)) if piece.is_share else piece.secret
    yield f'<div class="secret">{escape(secret)}</div>'
    what = "the words of this share, for a file" if piece.is_share else "the key, for a file kit.txt"
    yield '<div class="codes">'
    yield f"<figure>{code(piece.secret.upper())}<figcaption>{escape(what[0].upper() + what[1:])}.</figcaption></figure>"
    if len(kit.recover.encode()) <= LONGEST_IN_CODE:
        yield f"<figure>{code(kit.recover)}<figcaption>The command below.</figcaption></figure>"
    yield "</div>"
    yield "<h2>The way back</h2>"
    files = "the words of enough shares in files" if piece.is_share else "the key in a file kit.txt"
    yield f"<p>On any machine with Strongroom, with {files}:</p><p><code>{escape(kit.recover)}</code></p>"
    yield "<p>It asks for what is typed where no file is named, and says first what it will do, step by step.</p>"
    yield "<p>Without Strongroom: docs/format.md, “Recovery without Strongroom”, tells how to read everything with age, zstd "
    yield "and any Parquet reader.</p>"


def code(text: str) -> str:
    """A QR code as inline SVG; its text is in the picture alone."""
    import segno

    drawn = segno.make(text, error="m", micro=False, boost_error=False)
    return drawn.svg_inline(scale=_SCALE, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None)
