"""The act of destruction: a page that says what was erased, when, by whom and on whose approval, with the signed statements
beside it, so that anybody with OpenSSH can verify it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from restore.export.signature import allowed_signers, signer_name
from vault import wording
from vault.errors import TargetError
from vault.format import erasure
from vault.format.erasure import NAMESPACE, Statement
from vault.format.grant import Grant
from vault.format.strict_json import write_moment
from vault.wording import counted

if TYPE_CHECKING:
    from vault.format.erasure_chain import Erasure

PAGE, SIGNERS = "act.html", "allowed_signers"

_STYLE = """
body { font: 11pt/1.45 sans-serif; margin: 2em auto; max-width: 52em; padding: 0 1em; color: #111; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 1.6em; border-bottom: 1px solid #999 }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .15em 1em .15em 0;
overflow-wrap: anywhere } th { font-weight: normal; color: #444; white-space: nowrap }
code, pre { font-family: monospace; overflow-wrap: anywhere; white-space: pre-wrap }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } } @page { size: A4; margin: 16mm }
""".strip()


def write_act(found: Erasure, folder: Path) -> list[Path]:
    """Write the page, the statements with their signatures, and the list of allowed signers into a new or empty folder. Raises
    `TargetError`."""
    files = {PAGE: page(found).encode("utf-8", "backslashreplace"), SIGNERS: _signers(found).encode()}
    for one in found.statements:
        sort = erasure.sort_of(one)
        files[f"{sort}.json"] = erasure.message(one)
        files[f"{sort}.json.sig"] = one.signature.encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TargetError(f"{folder} is not empty", hint="name a new folder for the act of destruction")
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise TargetError(f"the act of destruction cannot be written to {folder}: {error.strerror}") from error
    return [folder / name for name in files]


def page(found: Erasure) -> str:
    """The whole page: nothing is fetched, no script runs."""
    title = f"Act of destruction: {found.destruction.name}"
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{_text(title)}</h1>\n"
    )
    return head + "\n".join(_body(found)) + "\n</body>\n</html>\n"


def _body(found: Erasure) -> Iterator[str]:
    asked, begun, end = found.request, found.destruction, found.completion
    people = " and ".join(found.people)
    how = "" if found.approval is not None else " The settings asked for no second person."
    yield (
        f"<p>Everything that was stored of the project <b>{_text(begun.name)}</b> was erased on {write_moment(begun.at)[:10]}, "
        f"as wanted by {_text(people)}.{how} Its keys were destroyed first: what is left of it in old copies cannot be read."
        "</p>"
    )
    yield "<h2>What it was</h2>"
    yield _table(
        (
            ("Project", f"{begun.name} ({begun.project})"),
            ("Repository", begun.repository),
            ("Reason", asked.reason),
            ("Held", _contents(found)),
            ("Erasure", begun.id),
        )
    )
    for one in found.statements:
        yield f"<h2>{_HEADS[erasure.sort_of(one)]}</h2>"
        yield _table((("By", one.by.name), ("Fingerprint", _fingerprint(found, one)), ("At", write_moment(one.at))))
    yield "<h2>What was deleted</h2>"
    if end is None:
        yield "<p>The end was not stated yet: whoever has begun completes it.</p>"
    else:
        left = counted(end.left, "object") if end.left else "none"
        versions = "not known" if end.old_versions is None else str(end.old_versions)
        yield _table(
            (
                ("Key objects", str(end.key_objects)),
                ("Other objects", f"{end.objects} ({wording.size(end.bytes)})"),
                ("Could not be deleted", left),
                ("Old versions in the bucket", f"{versions}; they cannot be read, and go by the bucket's own rule"),
                ("Log", end.log or "-"),
            )
        )
    yield "<h2>How to verify it</h2>"
    yield (
        "<p>Each statement lies beside this page with its signature. That the keys in <code>allowed_signers</code> belong to "
        "these people must be known from elsewhere: compare the fingerprints by telephone. In the folder of this page:</p>"
    )
    yield f"<pre>{_text(chr(10).join(commands(found)))}</pre>"


_HEADS = {"request": "Asked for", "approval": "Approved", "destruction": "Begun", "completion": "Completed"}


def commands(found: Erasure) -> list[str]:
    """What verifies each statement, with OpenSSH, in the folder of the page."""
    return [
        f"ssh-keygen -Y verify -f {SIGNERS} -I {signer_name(one.by.name)} -n {NAMESPACE} "
        f"-s {erasure.sort_of(one)}.json.sig < {erasure.sort_of(one)}.json"
        for one in found.statements
    ]


def _signers(found: Erasure) -> str:
    lines = [allowed_signers(signer_name(one.by.name), one.by.signing_key, NAMESPACE) for one in found.statements]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _fingerprint(found: Erasure, one: Statement) -> str:
    """Of whoever has signed, as `strongroom keys list` shows it."""
    grants = [it for it in found.destruction.grants if isinstance(it, Grant)]
    return next((it.principal.fingerprint for it in grants if it.principal.signing_key == one.by.signing_key), "-")


def _contents(found: Erasure) -> str:
    one = found.request.contents
    span = f", {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" if one.first and one.last else ""
    stored = f"{counted(one.objects, 'stored object')}, {wording.size(one.bytes)}"
    return f"{counted(one.snapshots, 'snapshot')}{span}; {stored}, {counted(one.key_objects, 'key object')} of them"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{_text(value)}</td></tr>" for name, value in rows) + "</table>"


def _text(value: str) -> str:
    """Safe in a page, whatever it holds."""
    shown = "".join(char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in value)
    return escape(shown)
