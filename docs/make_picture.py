"""The picture at the top of the README, from what `strongroom demo` prints: docs/demo.svg.

    python docs/make_picture.py            plays the demo, half a minute, and draws it
    python docs/make_picture.py FILE       draws what was printed into a file before

A window as dark as a terminal's: readable on a light page and on a dark one. No fonts, no scripts, nothing from elsewhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).with_name("demo.svg")
COMMAND = "strongroom demo"
COLUMNS, LINE, LETTER, EDGE, BAR = 96, 20, 8.4, 20, 34
BACKGROUND, FRAME, TEXT, FAINT, GREEN = "#161b22", "#30363d", "#e6edf3", "#9da7b3", "#56d364"
_STEP = re.compile(r"(?P<title>\S.*?)\.*(?P<took> \([^()]*\))\Z")


def drawn(printed: str) -> str:
    """The picture of what the command printed."""
    lines = [_line(f"$ {COMMAND}"), *(_line(line) for line in printed.strip().splitlines())]
    width, height = round(COLUMNS * LETTER) + 2 * EDGE, len(lines) * LINE + BAR + EDGE
    rows = "\n".join(
        f'<text x="{EDGE}" y="{BAR + LINE * (number + 1) - 6}" xml:space="preserve">{line}</text>'
        for number, line in enumerate(lines)
    )
    dots = "".join(f'<circle cx="{EDGE + 18 * place}" cy="{BAR // 2}" r="5" fill="{FRAME}"/>' for place in range(3))
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<title>What {COMMAND} prints</title>
<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}" stroke="{FRAME}"/>
{dots}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="{TEXT}">
{rows}
</g>
</svg>
"""


def _line(text: str) -> str:
    """One line, with colours: commands green, times faint."""
    text = text[:COLUMNS]
    if text.startswith("$ "):
        return f'<tspan fill="{GREEN}">$</tspan> {escape(text[2:])}'
    step = _STEP.match(text)
    if step is not None:
        return f'{escape(step["title"])}<tspan fill="{FAINT}">{escape(step["took"])}</tspan>'
    return f'<tspan fill="{FAINT}">{escape(text)}</tspan>' if text.startswith(" ") else escape(text)


def main() -> None:
    """Draw."""
    if len(sys.argv) > 1:
        printed = Path(sys.argv[1]).read_text(encoding="utf-8")
    else:
        program = Path(sys.executable).with_name("strongroom")
        printed = subprocess.run(  # noqa: S603 (our own program)
            [program, "demo"], check=True, capture_output=True, text=True
        ).stdout
    PICTURE.write_text(drawn(printed), encoding="utf-8")


if __name__ == "__main__":
    main()
