"""A real Request Tracker 5 on loopback: Debian's packages request-tracker5, rt5-db-sqlite and rt5-standalone, with SQLite in a
folder of the test.

with request_tracker(folder) as tracker:
    number = tracker.create(Subject="late")
    ... tracker.url
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USER, PASSWORD = "root", "password"
SETUP = Path("/usr/sbin/rt-setup-database-5")
SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
MISSING = "a real Request Tracker: install Debian's request-tracker5, rt5-db-sqlite and rt5-standalone"
_PATIENCE = 90.0

CONFIG = """
Set($rtname, 'tests');
Set($Organization, 'example.com');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($DatabaseUser, 'rt');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($WebURL, 'http://127.0.0.1:{port}/');
Set($MailCommand, 'testfile');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($Timezone, 'UTC');
Set($RestrictReferrer, 0);
Set($MasonDataDir, '{folder}/mason');
Set($MasonSessionDir, '{folder}/sessions');
Set($WebSessionClass, 'Apache::Session::File');
1;
"""


def is_installed() -> bool:
    """Whether the packages are there."""
    return SETUP.exists() and SERVER.exists()


class RequestTracker:
    """A running one, and the little of a client that the tests need. url: with a slash at its end."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self, files: Mapping[str, bytes] | None = None, **fields: Any) -> int:
        """A new ticket; its number."""
        usual = {"Queue": "General", "Requestor": "client@example.com", "ContentType": "text/plain", "Content": "-"}
        return int(self.ask("POST", "REST/2.0/ticket", usual | fields | _attached(files))["id"])

    def comment(self, number: int, text: str, files: Mapping[str, bytes] | None = None) -> None:
        body = {"ContentType": "text/plain", "Content": text} | _attached(files)
        self.ask("POST", f"REST/2.0/ticket/{number}/comment", body)

    def edit(self, number: int, **fields: Any) -> None:
        self.ask("PUT", f"REST/2.0/ticket/{number}", fields)

    def delete(self, number: int) -> None:
        """Its status becomes `deleted`: it is in no list any more."""
        self.ask("DELETE", f"REST/2.0/ticket/{number}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the interface answers."""
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None


@contextmanager
def request_tracker(folder: Path) -> Iterator[RequestTracker]:
    """A new one, with its data in a folder."""
    for name in ("site", "mason", "sessions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    (folder / "RT_SiteConfig.pm").write_text(CONFIG.format(folder=folder, port=port))
    own = {"RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"), "RT_SITE_CONFIG_DIR": str(folder / "site"), "HOME": str(folder)}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | own
    with (folder / "log").open("wb") as log:
        if not (folder / "rt.sqlite").exists():
            command = [str(SETUP), "--action", "init", "--skip-create"]
            subprocess.run(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=300
            )
        command = [str(SERVER), "--port", str(port), "--host", "127.0.0.1"]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        tracker = RequestTracker(f"http://127.0.0.1:{port}/")
        if not _answers(tracker, process):
            raise RuntimeError(f"Request Tracker did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
        yield tracker
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _attached(files: Mapping[str, bytes] | None) -> dict[str, Any]:
    found = [
        {"FileName": name, "FileType": "application/octet-stream", "FileContent": base64.b64encode(data).decode()}
        for name, data in (files or {}).items()
    ]
    return {"Attachments": found} if found else {}


def _answers(tracker: RequestTracker, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            tracker.ask("GET", "REST/2.0/queues/all")
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
        else:
            return True
    return False
