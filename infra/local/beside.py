"""What stands beside a local stack while a command runs: a system that recorded buyers before, which knows what it is told
and nobody else; and a hand that deploys, for who wants to see the stack go live.

    PUT  /buyers/<id>            the body is what the former system answers from now on; `{"status": 503}` makes it fail
    GET  /buyers/<id>            what it knows
    POST /buyers/<id>/handover   the same, handing the buyer over
    PUT  /effects                the body is the stack's parameter `Effects` from now on
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Beside:
    """Listens on a free port of this machine until it is stopped; `set_effects` does as it says."""

    def __init__(self) -> None:
        self.set_effects: Callable[[str], None] | None = None
        beside = self
        answers: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.path == "/effects":
                    beside.set_effects(body.decode())
                else:
                    answers[self._buyer()] = body
                self._answer(204, b"")

            def do_GET(self) -> None:
                body = answers.get(self._buyer())
                if body is None:
                    self._answer(404, b"{}")
                else:
                    self._answer(json.loads(body).get("status", 200), body)

            def do_POST(self) -> None:
                # A request without a body has no length.
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.do_GET()

            def _buyer(self) -> str:
                return unquote(urlsplit(self.path).path.split("/")[2])

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it at once; nobody is waited for."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()
