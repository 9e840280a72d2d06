"""What every page begins and ends with: its style, how it is printed, and that a browser may do nothing else with it."""

from __future__ import annotations

import base64
import hashlib

from restore.pages.safe_text import escaped, shortened

LONGEST_TITLE = 200
STYLE = """
body { font: 11pt/1.45 sans-serif; margin: 1.5em auto; max-width: 60em; padding: 0 1em; color: #111; background: #fff; }
h1 { font-size: 1.4em; margin: .4em 0; } h2 { font-size: 1.1em; margin-top: 1.6em; border-bottom: 1px solid #999; }
h1, h2, td, th, li, p { overflow-wrap: anywhere; unicode-bidi: isolate; }
nav, footer, .about { color: #444; font-size: .9em; } nav a { margin-right: 1em; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; } .none { color: #999; }
.deleted { border-left: .4em solid #b00; padding: .3em .8em; background: #fdeeee; }
article { border: 1px solid #ccc; border-left: .3em solid #69c; margin: .8em 0; padding: .5em .8em; }
article > header { font-weight: bold; margin-bottom: .3em; } article table.fields { font-size: .85em; }
table { border-collapse: collapse; margin: .4em 0; width: 100%; }
th, td { border: 1px solid #ccc; padding: .2em .5em; text-align: left; vertical-align: top; }
th { background: #f2f2f2; font-weight: 600; } table.fields > tbody > tr > th { width: 12em; }
thead { display: table-header-group; } tr.gone td { text-decoration: line-through; color: #800; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85em; margin: .2em 0; }
@page { margin: 15mm; }
@media print {
 body { font-size: 9pt; margin: 0; max-width: none; } nav, details.sent { display: none; }
 article, tr { break-inside: avoid-page; } h1, h2, article > header { break-after: avoid; } a { color: inherit; }
}
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
"""Nothing is run, fetched, sent or framed; the one style is known by its hash."""


def page(title: str, parts: list[str]) -> bytes:
    """A whole page. title: of the window, as it is · parts: of the body, escaped."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escaped(shortened(title, LONGEST_TITLE))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    return "".join((head, *parts, "</body>\n</html>\n")).encode("utf-8")
