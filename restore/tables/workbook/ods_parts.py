"""The parts of an ODS workbook that we write, other than its rows."""

from __future__ import annotations

from datetime import datetime

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
MIMETYPE = "application/vnd.oasis.opendocument.spreadsheet"
_SPACE = "urn:oasis:names:tc:opendocument:xmlns"
NAMESPACES = {
    f"{_SPACE}:office:1.0": "office:",
    f"{_SPACE}:table:1.0": "table:",
    f"{_SPACE}:text:1.0": "text:",
    f"{_SPACE}:style:1.0": "style:",
    f"{_SPACE}:datastyle:1.0": "number:",
    f"{_SPACE}:drawing:1.0": "draw:",
    "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0": "calcext:",
}
"""The prefixes that every program gives to the namespaces that matter here."""

DATE, MOMENT, TIME, DURATION, HEADER = "date", "moment", "time", "duration", "header"
"""Names of the styles of cells."""

_DAY = '<number:year number:style="long"/><number:text>-</number:text><number:month number:style="long"/>'
_DAY += '<number:text>-</number:text><number:day number:style="long"/>'
_CLOCK = '<number:hours number:style="long"/><number:text>:</number:text><number:minutes number:style="long"/>'
_CLOCK += '<number:text>:</number:text><number:seconds number:style="long"/>'


def _style(name: str, inside: str = "") -> str:
    data = f' style:data-style-name="{name}-shown"' if not inside else ""
    return f'<style:style style:name="{name}" style:family="table-cell"{data}>{inside}</style:style>'


CONTENT = (
    f"{HEAD}<office:document-content "
    + " ".join(f'xmlns:{prefix[:-1]}="{space}"' for space, prefix in NAMESPACES.items())
    + f' xmlns:fo="{_SPACE}:xsl-fo-compatible:1.0" office:version="1.3"><office:automatic-styles>'
    f'<number:date-style style:name="{DATE}-shown">{_DAY}</number:date-style>'
    f'<number:date-style style:name="{MOMENT}-shown">{_DAY}<number:text> </number:text>{_CLOCK}</number:date-style>'
    f'<number:time-style style:name="{TIME}-shown">{_CLOCK}</number:time-style>'
    f'<number:time-style style:name="{DURATION}-shown" number:truncate-on-overflow="false">{_CLOCK}</number:time-style>'
    + "".join(map(_style, (DATE, MOMENT, TIME, DURATION)))
    + _style(HEADER, '<style:text-properties fo:font-weight="bold"/>')
    + "</office:automatic-styles><office:body><office:spreadsheet>"
)
CONTENT_END = "</office:spreadsheet></office:body></office:document-content>"

STYLES = f'{HEAD}<office:document-styles xmlns:office="{_SPACE}:office:1.0" office:version="1.3"/>'

MANIFEST = (
    f'{HEAD}<manifest:manifest xmlns:manifest="{_SPACE}:manifest:1.0" manifest:version="1.3">'
    f'<manifest:file-entry manifest:full-path="/" manifest:version="1.3" manifest:media-type="{MIMETYPE}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
    '<manifest:file-entry manifest:full-path="styles.xml" manifest:media-type="text/xml"/>'
    '<manifest:file-entry manifest:full-path="meta.xml" manifest:media-type="text/xml"/></manifest:manifest>'
)


def meta(created: datetime) -> str:
    """Who made it, and when. created: in UTC."""
    return (
        f'{HEAD}<office:document-meta xmlns:office="{_SPACE}:office:1.0" xmlns:meta="{_SPACE}:meta:1.0" office:version="1.3">'
        f"<office:meta><meta:generator>Strongroom</meta:generator><meta:creation-date>{created:%Y-%m-%dT%H:%M:%SZ}"
        "</meta:creation-date></office:meta></office:document-meta>"
    )
