"""A former system beside a local stack, which is the contract's example of one; and deployments of functions, for tests
that change the stack's parameters or break a function.

    GET, POST /buyers/…          the former system's two endpoints
    POST /control/events         applies these events, one in a line, and makes the announcements they call for
    GET  /control/announced/<id> the announcements about a buyer in order: [what, about]
    GET  /control/announced      the announcements about all buyers, as an object
    GET  /control/requests       the requests to the two endpoints so far: {buyer: {"GET 200": number, …}}
    PUT  /control/away           `true` makes the two endpoints answer 503; `false` ends that
    PUT  /control/recorder       changes these environment variables of the recorder, given as a JSON object
    PUT  /control/reactor        the same for the reactor, and so for `sweeper` and `receipts`
    PUT  /control/signal         sends a signal to a function's processes, given as {"function": "recorder", "signal":
                                 "SIGKILL"}; answers how many there were

Both endpoints also answer below /misread, where accepted offers read as pending: a rule that is broken on purpose.
"""

import json
import signal
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs/contract/former-system-example"))

from former_system import FormerSystem, handler_of  # noqa: E402

MISREAD = "/misread"


class Beside:
    """Listens on a free port of this machine until it is stopped; `set_variables` changes a deployed function, `signal_function`
    signals its processes."""

    def __init__(self) -> None:
        self.set_variables: Callable[[str, dict[str, str]], None] | None = None
        self.signal_function: Callable[[str, int], int] | None = None
        beside, former, away = self, FormerSystem(), threading.Event()
        requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        counting = threading.Lock()

        class Handler(handler_of(former)):
            # Otherwise the body of an answer waits until the client has acknowledged its headers.
            disable_nagle_algorithm = True
            path = ""
            is_misread = False

            def parse_request(self) -> bool:
                is_good = super().parse_request()
                self.is_misread = is_good and self.path.startswith(MISREAD)
                if self.is_misread:
                    self.path = self.path.removeprefix(MISREAD)
                return is_good

            def send_response(self, code: int, message: str | None = None) -> None:
                place = self.path.split("/")
                if len(place) > 2 and place[1] == "buyers":
                    with counting:
                        requests[unquote(place[2])][f"{self.command} {code}"] += 1
                super().send_response(code, message)

            def do_GET(self) -> None:
                if self.path == "/control/requests":
                    with counting:
                        answer = json.dumps(requests)
                    self._send(200, answer)
                elif self.path == "/control/announced":
                    announced = defaultdict(list)
                    for buyer, what, about in list(former.announced):
                        announced[buyer].append([what, about])
                    self._send(200, json.dumps(announced))
                elif self.path.startswith("/control/announced/"):
                    buyer = unquote(self.path.rpartition("/")[2])
                    self._send(200, json.dumps([one[1:] for one in former.announced if one[0] == buyer]))
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
                    case "/control/signal":
                        wanted = json.loads(body)
                        count = beside.signal_function(wanted["function"], signal.Signals[wanted["signal"]])
                        return self._send(200, json.dumps(count))
                    case "/control/away":
                        away.set() if body == "true" else away.clear()
                    case "/control/recorder" | "/control/reactor" | "/control/sweeper" | "/control/receipts":
                        beside.set_variables(self.path.rpartition("/")[2], json.loads(body))
                self._send(204)

            def _answer(self, answer: dict | None) -> None:
                super()._answer(misread(answer) if self.is_misread and answer else answer)

            def _body(self) -> str:
                return self.rfile.read(int(self.headers.get("content-length", 0))).decode()

            def _send(self, status: int, body: str = "") -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # Many clients connect at once, and a refused one retries only after a second.
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                # A client may disconnect at any time.
                if not isinstance(sys.exc_info()[1], ConnectionError):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stops it at once, without waiting for open requests."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()


def misread(answer: dict) -> dict:
    """The answer with every accepted offer read as pending."""
    offers = [
        offer | {"stage": "pending"} if offer["stage"] == "accepted" else offer for offer in answer["offers"]
    ]
    return answer | {"offers": offers}
