"""A server on the loopback interface that answers as a LocalStack would, from a script."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SERVICES = (
    "cloudformation", "cloudwatch", "dynamodb", "dynamodbstreams", "events", "iam", "lambda", "logs", "s3", "ses", "sns",
    "sqs", "sts",
)
NO_BUCKET = 404, "<Error><Code>NoSuchBucket</Code></Error>"
NO_API = 501, '{"__type": "InternalFailure", "message": "not included in your current license plan"}'
REJECTED = 400, '{"__type": "MessageRejected", "message": "Email address not verified"}'
FOUND = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>
<member><StackName>leadstream</StackName><CreationTime>2026-11-29T06:00:00Z</CreationTime><StackStatus>{}</StackStatus>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
MISSING = """<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>
<Code>ValidationError</Code><Message>Stack with id leadstream does not exist</Message></Error></ErrorResponse>"""


class FakeLocalStack:
    """A LocalStack with these answers, `(status, body)` by method and path, or by operation. Keeps the requests that it received.

    `statuses` are the stack's, one for each look, the last one for all further looks; `None` is no stack.
    """

    def __init__(self, answers: dict[str, tuple[int, str]] | None = None, statuses: tuple[str | None, ...] = (None,)):
        states = json.dumps({"services": dict.fromkeys(SERVICES, "available")})
        known = {
            "GET /_localstack/info": (200, '{"version": "4.14.0"}'), "GET /_localstack/health": (200, states),
            "GET /_local/mails": NO_BUCKET, "POST /v2/email/outbound-emails": NO_API,
        } | (answers or {})
        left = list(statuses)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                what = f"{self.command} {urlsplit(self.path).path}"
                if what == "POST /":
                    target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                    what = target or parse_qs(body.decode())["Action"][0]
                fake.requests.append((what, dict(self.headers), body))
                if what == "DescribeStacks":
                    status = left.pop(0) if len(left) > 1 else left[0]
                    known[what] = (200, FOUND.format(status)) if status else (400, MISSING)
                status, answer = known.get(what, NO_BUCKET)
                self.send_response(status)
                self.send_header("content-length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())

            do_DELETE = do_GET = do_POST = do_PUT = answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def __enter__(self) -> "FakeLocalStack":
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self) -> list[str]:
        return [what for what, _, _ in self.requests]
