"""A system that recorded buyers before, for local stacks: it knows what it is told by `PUT /buyers/<id>`, and nobody else.

    PUT  /buyers/<id>            the body is what it answers from now on; `{"status": 503}` makes it fail instead
    GET  /buyers/<id>            what it knows
    POST /buyers/<id>/handover   the same, handing the buyer over
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Former:
    """Listens on a free port of this machine until it is stopped."""

    def __init__(self) -> None:
        answers: dict[str, bytes] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                answers[self._buyer()] = self.rfile.read(int(self.headers.get("content-length", 0)))
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
