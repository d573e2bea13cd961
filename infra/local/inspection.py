"""The inspection interface (`engine.py`) in front of a LocalStack that lacks our plugin, made of LocalStack's own.

    GET  /_aws/ses           the mails that SES took; 404 until SES is first called
    POST /_aws/sqs/messages  a queue's messages, as `ReceiveMessage` returns them

All other requests are passed on.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from engine import direct

# Set anew for each connection (RFC 9110, section 7.6.1).
OWN_HEADERS = ("connection", "content-length", "keep-alive", "transfer-encoding")


class Inspection:
    """Listens on a free port of the loopback interface until it is stopped."""

    def __init__(self, endpoint: str) -> None:
        upstream = urlsplit(endpoint).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise the body of an answer waits until the client has acknowledged its headers.
            disable_nagle_algorithm = True

            def log_message(self, *_) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                asked = urlsplit(self.path)
                match asked.path:
                    case "/_local/mails":
                        self._send(200, {}, json.dumps(mails(endpoint)).encode())
                    case "/_local/messages":
                        queue = parse_qs(asked.query)["queue"][0]
                        self._send(200, {}, json.dumps(messages(endpoint, queue)).encode())
                    case _:
                        self._pass_on(body)

            do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = answer

            def _pass_on(self, body: bytes) -> None:
                connection = HTTPConnection(upstream, timeout=60)
                try:
                    connection.request(self.command, self.path, body, _passed(self.headers.items()))
                    answer = connection.getresponse()
                    self._send(answer.status, _passed(answer.getheaders()), answer.read())
                finally:
                    connection.close()

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in (headers | {"content-length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # Many clients connect at once, and a refused one retries only after a second.
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                # Either side may hang up at any time.
                if not isinstance(sys.exc_info()[1], (OSError, urllib.error.URLError)):
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stops it at once, without waiting for open requests."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()


def _passed(headers) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in OWN_HEADERS}


def mails(endpoint: str) -> list[dict]:
    try:
        with direct.open(f"{endpoint}/_aws/ses", timeout=10) as answer:
            found = json.load(answer)["messages"]
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 404:
                raise
        return []
    return [
        {
            "to": mail["Destination"].get("ToAddresses", []), "subject": mail["Subject"],
            "text": mail["Body"]["text_part"], "html": mail["Body"]["html_part"],
        }
        # Raw messages have no subject of their own.
        for mail in found if "Subject" in mail
    ]


def messages(endpoint: str, queue_url: str) -> list[dict]:
    asking = urllib.request.Request(
        f"{endpoint}/_aws/sqs/messages?ShowInvisible=true&ShowDelayed=true", json.dumps({"QueueUrl": queue_url}).encode(),
        {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ReceiveMessage"},
    )
    with direct.open(asking, timeout=10) as answer:
        found = json.load(answer).get("Messages") or []
    # Messages that a receiver holds come in no order.
    found.sort(key=lambda one: int(one["Attributes"].get("SequenceNumber") or one["Attributes"]["SentTimestamp"]))
    return [
        {
            "group": one["Attributes"].get("MessageGroupId"), "body": one["Body"],
            "attributes": {
                name: value.get("StringValue", "") for name, value in (one.get("MessageAttributes") or {}).items()
            },
        }
        for one in found
    ]
