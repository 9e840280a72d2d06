"""A real django-helpdesk on loopback: the server that the package from PyPI is, with SQLite, in a process of its own.

with helpdesk(folder) as desk:
    number = desk.create(title="late", description="the parcel")["id"]
    ... desk.url
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

USER, PASSWORD = "backup", "a password of the tests"


class HelpDesk:
    """A running one, and the little of a client that the tests need. url: with a slash at its end."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self, **fields: Any) -> dict[str, Any]:
        """A new ticket."""
        usual = {"queue": 1, "status": 1, "priority": 3, "submitter_email": "client@example.com", "description": "-"}
        return self.ask("POST", "api/tickets/", usual | fields)

    def edit(self, number: int, **fields: Any) -> None:
        self.ask("PATCH", f"api/tickets/{number}/", fields)

    def comment(self, number: int, text: str, files: dict[str, bytes] | None = None) -> int:
        """A new comment, with files; its number."""
        boundary = uuid4().hex
        parts = [_part(boundary, f'name="{name}"', value.encode()) for name, value in
                 {"ticket": str(number), "title": "Comment", "comment": text, "public": "true"}.items()]  # fmt: skip
        for name, data in (files or {}).items():
            parts.append(_part(boundary, f'name="attachments"; filename="{name}"', data))
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        found = self._send("POST", "api/followups/", body, f"multipart/form-data; boundary={boundary}")
        return int(json.loads(found)["id"])

    def delete(self, path: str) -> None:
        """A thing below `api/`."""
        self._send("DELETE", f"api/{path}/", b"", "application/json")

    def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
        body = b"" if fields is None else json.dumps(fields).encode()
        found: dict[str, Any] = json.loads(self._send(method, path, body, "application/json"))
        return found

    def _send(self, method: str, path: str, body: bytes, kind: str) -> bytes:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data=body or None, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: bytes = answer.read()
            return found


@contextmanager
def helpdesk(folder: Path, tickets: int = 0, fixture: Path | None = None) -> Iterator[HelpDesk]:
    """A new one, with its data in a folder. tickets: made at its start · fixture: a JSON file with more of them: `id`, `title`,
    `comments` and when these were written, `at`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.django_helpdesk", str(folder), str(tickets)]
    command += [] if fixture is None else [str(fixture)]
    root = Path(__file__).parents[2]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        port = process.stdout.readline().strip() if process.stdout is not None else b""
        if not port.isdigit():
            raise RuntimeError(f"django-helpdesk did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")
        yield HelpDesk(f"http://127.0.0.1:{int(port)}/")
    finally:
        process.kill()
        process.wait(timeout=60)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _part(boundary: str, what: str, value: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {what}\r\n\r\n".encode() + value + b"\r\n"


def _configure(folder: Path) -> None:
    from django.conf import settings

    own = ("admin", "auth", "contenttypes", "sessions", "messages", "sites", "humanize", "staticfiles")
    context = ("template.context_processors.request", "contrib.auth.context_processors.auth",
               "contrib.messages.context_processors.messages")  # fmt: skip
    templates = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [f"django.{name}" for name in context]},
    }
    middleware = ("sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware",
                  "messages.middleware.MessageMiddleware")  # fmt: skip
    settings.configure(
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "desk.sqlite"}},
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in own), "rest_framework", "helpdesk"],
        MIDDLEWARE=[f"django.contrib.{name}" for name in middleware],
        TEMPLATES=[templates],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # one is checked with each request
        ROOT_URLCONF=__name__,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        SITE_ID=1,
        STATIC_URL="/static/",
        MEDIA_URL="/media/",
        MEDIA_ROOT=str(folder / "media"),
        USE_TZ=True,
        TIME_ZONE="UTC",
        EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
        HELPDESK_ACTIVATE_API_ENDPOINT=True,
        HELPDESK_TEAMS_MODE_ENABLED=False,
    )


def _serve(folder: Path, tickets: int, fixture: Path | None = None) -> None:
    """Runs in a process of its own until that is killed."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    _configure(folder)
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path, re_path
    from django.views.static import serve
    from helpdesk.models import FollowUp, Queue, Ticket

    media = {"document_root": str(folder / "media")}
    globals()["urlpatterns"] = [re_path(r"^media/(?P<path>.*)$", serve, media), path("", include("helpdesk.urls"))]
    call_command("migrate", verbosity=0)
    if not User.objects.exists():
        User.objects.create_superuser(USER, "backup@example.com", PASSWORD)
        queue = Queue.objects.create(title="Deliveries", slug="deliveries")
        Ticket.objects.bulk_create(Ticket(title=f"ticket {one}", queue=queue, description="-") for one in range(tickets))
        made = json.loads(fixture.read_text()) if fixture is not None else []
        for place in range(0, len(made), 500):
            part = made[place : place + 500]
            Ticket.objects.bulk_create(
                Ticket(id=one["id"], title=one["title"], queue=queue, description="-", created=one["at"], modified=one["at"])
                for one in part
            )
            FollowUp.objects.bulk_create(
                FollowUp(ticket_id=one["id"], date=one["at"], comment=text, public=True)
                for one in part
                for text in one["comments"]
            )

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))
