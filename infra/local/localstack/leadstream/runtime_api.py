"""The Runtime API of one execution environment (AWS Lambda Developer Guide, "Lambda runtime API")."""

import queue
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RuntimeApi(ThreadingHTTPServer):
    """Listens on a free port of the loopback interface, for one process of `executor` at a time."""

    daemon_threads = True

    def __init__(self, executor):
        self.executor = executor
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a killed process leaves its connections behind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise the body of an answer waits until the client has acknowledged its headers.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        """Waits for an invocation and returns it."""
        executor = self.server.executor
        process = executor.process
        executor.is_started.set()
        while True:
            try:
                payload, deadline = executor.todo.get(timeout=0.5)
                break
            except queue.Empty:
                if process is not None and executor.process is not process:
                    self.close_connection = True
                    return
        self._send(200, payload["payload"].encode(), {
            "Lambda-Runtime-Aws-Request-Id": payload["invoke-id"],
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": payload["trace-id"],
            "Content-Type": "application/json",
        })

    def do_POST(self) -> None:
        """Takes the answer to an invocation, or the error of a start, whose id then is `init`."""
        *_, request, kind = self.path.split("/")
        self.server.executor.done.put((kind, request, self._body()))
        self._send(202)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ((headers or {}) | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
