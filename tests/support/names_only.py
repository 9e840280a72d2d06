"""An identity for a console that shall see names and no content: of a host with a write capability."""

from __future__ import annotations

from pathlib import Path

from tests.support.desk import Desk


def names_only(desk: Desk, *projects: str) -> Path:
    """A new identity of the desk's repository that may write, and read no content of these projects."""
    file = desk.folder / "names-only.txt"
    if file.exists():
        return file
    desk.call("keys", "new", "--identity", str(file), "--name", "console")
    (shown,) = desk.call("keys", "show", "--identity", str(file), "--json").document["identities"]
    granted = [word for name in projects for word in ("--project", name)]
    options = ("--name", "console", *granted, "--as", "write", "--fingerprint", shown["fingerprint"], "--yes")
    desk.call("keys", "grant", f"{file}.pub", *options)
    return file
