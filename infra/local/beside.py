"""What stands beside a local stack while a command runs: a former system, which is the contract's example of one; and a hand that
deploys, for tests of what happens when the stack's parameters change.

    GET, POST /buyers/…          the former system's two endpoints
    POST /control/events         the former system hears of these events, one in a line, and announces what it owes
    GET  /control/announced/<id> what it has announced about a buyer: [what, about], in order
    PUT  /control/away           `true`: it answers 503 to everything; `false`: no longer
    PUT  /control/recorder       a JSON object of the recorder's environment variables that change from now on
"""

import json
import sys
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs/contract/former-system-example"))

from former_system import FormerSystem, handler_of  # noqa: E402


class Beside:
    """Listens on a free port of this machine until it is stopped; `set_recorder` changes the deployed recorder."""

    def __init__(self) -> None:
        self.set_recorder: Callable[[dict[str, str]], None] | None = None
        beside, former, away = self, FormerSystem(), threading.Event()

        class Handler(handler_of(former)):
            def do_GET(self) -> None:
                if self.path.startswith("/control/announced/"):
                    buyer = unquote(self.path.rpartition("/")[2])
                    self._send(200, json.dumps([told[1:] for told in former.announced if told[0] == buyer]))
                elif away.is_set():
                    self._send(503)
                else:
                    super().do_GET()

            def do_POST(self) -> None:
                if self.path == "/control/events":
                    for line in self._body().splitlines():
                        event = json.loads(line)
                        former.apply(event)
                        while former.announce(event["data"]["buyerId"]):
                            pass
                    self._send(204)
                elif away.is_set():
                    self._body()
                    self._send(503)
                else:
                    super().do_POST()

            def do_PUT(self) -> None:
                body = self._body()
                match self.path:
                    case "/control/away":
                        away.set() if body == "true" else away.clear()
                    case "/control/recorder":
                        beside.set_recorder(json.loads(body))
                self._send(204)

            def _body(self) -> str:
                return self.rfile.read(int(self.headers.get("content-length", 0))).decode()

            def _send(self, status: int, body: str = "") -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it at once; nobody is waited for."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()
