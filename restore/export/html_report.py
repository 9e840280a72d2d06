"""`report.html`: what `report.json` says, for people: one file, nothing fetched, no scripts, made to be printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import IO, Any

from restore.export.report import ExportReport
from vault.wording import counted

ITEMS_SHOWN = 10_000
"""A browser is not made for more rows; `report.json` has all of them."""

_STYLE = """
body { font: 11pt/1.4 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #111; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.8em; border-bottom: 1px solid #999; }
table { border-collapse: collapse; margin: .6em 0; } th, td { border: 1px solid #bbb; padding: .2em .5em; text-align: left;
vertical-align: top; overflow-wrap: anywhere; } th { background: #eee; } td.n { text-align: right; white-space: nowrap; }
code { font-size: .85em; overflow-wrap: anywhere; } .bad { border-left: .4em solid #b00; padding-left: .8em; }
thead { display: table-header-group; } tr { break-inside: avoid; }
@media print { body { font-size: 8.5pt; margin: 0; max-width: none; } }
@page { size: A4 landscape; margin: 12mm; }
"""


def write_page(report: ExportReport, out: IO[bytes]) -> None:
    """The page, one item at a time."""
    head = report.head
    for part in (*_beginning(head), *_sums(head), *_shapes(head), *_troubles(head)):
        _write(out, part)
    _write(out, "<h2>Items</h2>\n")
    if sum(head["counts"][sort] for sort in ("files", "folders", "links")) > ITEMS_SHOWN:
        _write(out, f"<p>The first {ITEMS_SHOWN}; report.json has all of them.</p>\n")
    _write(out, _heads(("Item", "Period", "Size", "First seen, last seen, gone", "In the bag", "What became of it")))
    for item, _ in zip(report.items(), range(ITEMS_SHOWN), strict=False):
        _write(out, _item(item))
    _write(out, "</tbody></table>\n</body>\n</html>\n")


def _beginning(head: dict[str, Any]) -> Iterable[str]:
    asked, selection = head["asked"], head["selection"]
    title = f"Export of {head['project']}"
    yield (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{_text(title)}</h1>\n<p>{_text(selection['in_words'])}</p>\n"
    )
    yield _table(
        (),
        [
            ("Asked by", asked["by"]),
            ("Asked at", asked["at"]),
            ("For", asked["for"] or "not said"),
            ("Project", f"{head['project']} ({head['project_id']})"),
            ("Moment", selection["moment"] or "the newest snapshot"),
            ("Left out, as they reach beyond the period", counted(selection["beyond"]["items"], "item")),
            ("Time zone of periods", selection["time_zone"]),
            *((f"Selection: {name}", value) for name, value in selection["as_typed"].items()),
            *((f"Tables: {name.replace('_', ' ')}", value) for name, value in head["tables"].items() if value),
            ("Made by", head["software"]),
        ],
    )
    yield from _signature(head["signature"])
    yield "<h2>Snapshots</h2>\n"
    yield _table(
        ("Snapshot", "Source", "Taken at", "On host"),
        [(one["snapshot"], one["source"], one["taken_at"], one["host"]) for one in head["snapshots"]],
    )


def _signature(signed: dict[str, Any] | None) -> Iterable[str]:
    """How it is verified, for somebody who has OpenSSH and nothing else."""
    yield "<h2>Signature</h2>\n"
    if signed is None:
        yield "<p>Nobody has signed this bag.</p>\n"
        return
    yield (
        f"<p>{_text(signed['file'])} signs {_text(signed['over'])}, which has the checksum of everything else. Put the line of "
        "allowed signers into a file allowed_signers, and run the command in the folder of the bag; then "
        "<code>sha256sum -c tagmanifest-sha256.txt</code> and <code>sha256sum -c manifest-sha256.txt</code>. Make sure that "
        "the key is the signer's: compare it, or the fingerprint, with what you know from elsewhere.</p>\n"
    )
    rows = [("Signer", signed["signer"]), ("Fingerprint", signed["fingerprint"])]
    rows += [("Allowed signers", signed["allowed_signers"]), ("Command", signed["verify"])]
    if "time_stamp" in signed:
        rows += [("Time stamp by", signed["authority"]), ("Command for the time stamp", signed["verify_time_stamp"])]
    yield _table((), rows)


def _sums(head: dict[str, Any]) -> Iterable[str]:
    counts, exported = head["counts"], head["exported"]
    yield "<h2>Counts</h2>\n"
    asked_for = ("files", "bytes", "folders", "links")
    in_bag = ("files", "bytes", "converted", "rows_converted", "cells_with_losses", "problems")
    yield _table(
        (),
        [
            *((f"Asked for: {name}", counts[name]) for name in asked_for),
            *((f"In the bag: {name.replace('_', ' ')}", exported[name]) for name in in_bag),
        ],
    )
    for name in ("kind", "period", "format"):
        rows = [(value, one["files"], one["bytes"]) for value, one in counts[f"by_{name}"].items()]
        yield _table((name.capitalize(), "Files", "Bytes"), rows)


def _shapes(head: dict[str, Any]) -> Iterable[str]:
    if head["schemas"]:
        yield "<h2>Columns of tables</h2>\n"
        rows = [(one["schema"], one["tables"], _columns(one["columns"])) for one in head["schemas"]]
        yield _table(("Schema", "Tables", "Columns and types"), rows)
    if head["merged"]:
        yield "<h2>Merged table</h2>\n"
        yield _table(("In the bag", "What became of it"), [(_files(one), "; ".join(_said(one))) for one in head["merged"]])
    if head["renamed"]:
        yield "<h2>Names made portable</h2>\n"
        yield _table(("Path", "In the bag"), [(one["path"], one["file"]) for one in head["renamed"]])


def _troubles(head: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Problems</h2>\n"
    if not head["problems"]:
        yield "<p>None: everything that was asked for is in the bag.</p>\n"
        return
    yield '<div class="bad">\n'
    yield _table(("Item", "What", "Message"), [(one["path"], one["what"], one["message"]) for one in head["problems"]])
    yield "</div>\n"


def _item(item: dict[str, Any]) -> str:
    seen = [item.get("first_seen"), item.get("last_seen"), item.get("vanished")]
    period = f"{item['period']} (from its {item['period_origin']})" if "period" in item else ""
    sums = [f"blake3 of the original {item['blake3']}"] if "blake3" in item else []
    cells = [
        f"{item['path']} [{item['type']}{', ' + item['format'] if 'format' in item else ''}]",
        period,
        item.get("size", ""),
        " / ".join("–" if moment is None else moment for moment in seen),
        "\n".join([_files(item), *sums]),
        "; ".join(_said(item)),
    ]
    return _row(cells)


def _files(facts: dict[str, Any]) -> str:
    return "\n".join(f"{one['file']} ({counted(one['size'], 'byte')}) sha256 {one['sha256']}" for one in facts.get("files", []))


def _said(facts: dict[str, Any]) -> list[str]:
    said = [f"given as {facts['given_as']}"] if "given_as" in facts else []
    said += [f"link to {facts['points_to']}"] if "points_to" in facts else []
    for one in facts.get("tables", []):
        rows = f"{counted(one['rows'], 'row')}, " if "rows" in one else ""
        said.append(f"table{' ' + one['name'] if one['name'] else ''}: {rows}schema {one['schema']}")
    for one in facts.get("cut", []):
        said.append(f"cut: {one['rows_kept']} of {counted(one['rows_read'], 'row')}, by {one['time_column']!r}")
    for one in facts.get("losses", []):
        said.append(f"lost in {counted(one['cells'], 'cell')} of {one['column']!r}: {one['what']}")
    return [
        *said,
        *facts.get("notes", []),
        *facts.get("guesses", []),
        *(f"problem: {one['message']}" for one in facts.get("problems", [])),
    ]


def _columns(columns: Sequence[dict[str, str]]) -> str:
    return ", ".join(f"{one['name']} ({one['type']})" for one in columns)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return _heads(heads) + "".join(map(_row, rows)) + "</tbody></table>\n"


def _heads(heads: Sequence[str]) -> str:
    cells = "".join(f"<th>{_text(head)}</th>" for head in heads)
    return f"<table>{f'<thead><tr>{cells}</tr></thead>' if cells else ''}<tbody>\n"


def _row(cells: Sequence[object]) -> str:
    return "<tr>" + "".join(map(_cell, cells)) + "</tr>\n"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="n">{value}</td>'
    return f"<td>{'<br>'.join(_text(line) for line in _plain(value).splitlines())}</td>"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(value: str) -> str:
    """Safe in a page, whatever it holds: characters that are no text are told, not shown."""
    return escape("".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in value))


def _write(out: IO[bytes], text: str) -> None:
    out.write(text.encode("utf-8", "backslashreplace"))
