"""An HTTP server of the tests that says nothing of clients that were killed."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """A connection that a client has cut is nothing to tell of; any other fault is."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called in the handling of an exception."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
