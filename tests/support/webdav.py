"""A WebDAV server over a folder, and the little of a client that copying needs."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree


@contextmanager
def served(folder: Path, password: str = "") -> Iterator[str]:
    """The address of a server on loopback that everybody may write to, or where there is a password, the user `me`."""
    from cheroot import wsgi
    from wsgidav.fs_dav_provider import FilesystemProvider
    from wsgidav.wsgidav_app import WsgiDAVApp

    application = WsgiDAVApp(
        {
            "provider_mapping": {"/": FilesystemProvider(str(folder), readonly=False)},
            "simple_dc": {"user_mapping": {"*": {"me": {"password": password}} if password else True}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = wsgi.Server(("127.0.0.1", 0), application, numthreads=2)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.bind_addr[1]}/"
    finally:
        server.stop()
        thread.join()


def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> bytes:
    """One request; any answer but a success raises."""
    # a length, be it 0: the server would wait for a body otherwise
    request = urllib.request.Request(url, data=None if method == "GET" else body or b"", method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def copied(url: str, to: Path) -> int:
    """Copy a collection into a folder; gives the number of files."""
    to.mkdir(parents=True, exist_ok=True)
    here = unquote(urlsplit(url).path).rstrip("/")
    count = 0
    for one in ElementTree.fromstring(ask("PROPFIND", url, Depth="1")).iter("{DAV:}response"):
        path = unquote(urlsplit(one.findtext("{DAV:}href") or "").path).rstrip("/")
        if path == here:
            continue
        name = path.rpartition("/")[2]
        below = f"{url.rstrip('/')}/{quote(name)}"
        if one.find(".//{DAV:}collection") is not None:
            count += copied(below + "/", to / name)
        else:
            (to / name).write_bytes(ask("GET", below))
            count += 1
    return count


def put_back(folder: Path, url: str) -> None:
    """Copy what a folder holds into a collection, which is made."""
    ask("MKCOL", url)
    for path in sorted(folder.iterdir()):
        below = f"{url.rstrip('/')}/{quote(path.name)}"
        if path.is_dir():
            put_back(path, below)
        else:
            ask("PUT", below, path.read_bytes())
