"""Texts of strangers in pages: escaped, and without what alters the text around them.

What a page cannot hold, or what turns the order of letters around, is shown as its code: `⟨U+202E⟩`. HTML becomes a text: no
tag of it gets into a page, no link of it can be clicked, nothing of it is fetched.
"""

from __future__ import annotations

import html
import re

_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A, 0x0D}
_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Signs that turn the direction of what follows, beyond the text that they are in."""

_HALVES = range(0xD800, 0xE000)
_SHOWN: dict[int, str] = {code: f"⟨U+{code:04X}⟩" for code in (*_CONTROLS, *_TURNING, *_HALVES)}
_ESCAPED = {**_SHOWN, ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}

_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset"),
        *(
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
            "pre",
        ),
        *("section", "summary", "table", "tbody", "tfoot", "thead", "title", "tr", "ul"),
    )
)
_HIDDEN = frozenset(("script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "math", "head", "select"))
_ENDS = {name: re.compile(rf"</{name}(?![a-z0-9])[^>]*>", re.IGNORECASE) for name in _HIDDEN}
_TAG = re.compile(r"""<(/?)([A-Za-z][A-Za-z0-9:-]*)((?>[^<>"']|"[^"]*"|'[^']*')*+)>""")
_LOOKS_LIKE_HTML = re.compile(
    r"</(?:a|b|body|blockquote|div|em|font|h[1-6]|html|i|li|ol|p|pre|script|span|strong|style|svg|table|td|tr|u|ul)\s*>"
    r"|<(?:br|hr|img)\b[^<>]*>|<!doctype html",
    re.IGNORECASE,
)
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LINE_SPACES = re.compile(r" *\n *")
_EMPTY_LINES = re.compile(r"\n{3,}")


def escaped(text: str) -> str:
    """A text as a part of a page, between tags or within a quoted attribute."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_ESCAPED)


def is_html(text: str) -> bool:
    """Whether a text has tags that people would not write by hand."""
    return "<" in text and _LOOKS_LIKE_HTML.search(text) is not None


def text_of_html(markup: str) -> str:
    """What HTML says, as a text: lines, addresses of links behind their words, no tags. It takes one pass, whatever it is."""
    parts: list[str] = []
    links: list[str] = []
    at = 0
    while (start := markup.find("<", at)) >= 0:
        parts.append(_run(markup[at:start]))
        if markup.startswith("<!--", start):
            end = markup.find("-->", start + 4)
            at = len(markup) if end < 0 else end + 3
            continue
        tag = _TAG.match(markup, start)
        if tag is None:
            is_declaration = markup.startswith(("<!", "<?"), start)
            end = markup.find(">", start) if is_declaration else -1
            parts.append("" if end >= 0 else "<")
            at = end + 1 if end >= 0 else start + 1
            continue
        at = tag.end()
        name = tag[2].lower()
        if not tag[1] and name in _HIDDEN:
            found = _ENDS[name].search(markup, at)
            at = len(markup) if found is None else found.end()
        else:
            parts.append(_tag_text(name, tag[3], links, closes=bool(tag[1])))
    parts.append(_run(markup[at:]))
    text = _LINE_SPACES.sub("\n", "".join(parts))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def shortened(text: str, length: int) -> str:
    """One line of at most so many letters."""
    line = " ".join(text[: length * 8].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _run(text: str) -> str:
    return _SPACES.sub(" ", html.unescape(text)) if text else ""


def _tag_text(name: str, attributes: str, links: list[str], *, closes: bool) -> str:
    if name == "br":
        return "\n"
    if name == "a":
        if not closes:
            links.append(_attribute(_HREF, attributes))
            return ""
        address = links.pop() if links else ""
        return f" [{address}]" if address else ""
    if name == "img" and not closes:
        alt = _attribute(_ALT, attributes)
        return f"[image: {alt}]" if alt else "[image]"
    if name in ("td", "th"):
        return "" if closes else " "
    if name == "li" and not closes:
        return "\n- "
    return "\n" if name in _BLOCKS else ""


def _attribute(pattern: re.Pattern[str], attributes: str) -> str:
    found = pattern.search(attributes)
    return "" if found is None else html.unescape(next((one for one in found.groups() if one), "")).strip()
