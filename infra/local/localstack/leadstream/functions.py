"""Lambda functions as processes of this machine, chosen by `LAMBDA_RUNTIME_EXECUTOR=process`."""

import hashlib
import json
import os
import queue
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from localstack import config
from localstack.http import Response
from localstack.runtime import hooks
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from leadstream import metrics
from leadstream.runtime_api import RuntimeApi

# The name of the role that each access key belongs to.
signers: dict[str, str] = {}
# Where functions call AWS: the strict wire in front of LocalStack, or if empty, LocalStack itself.
front = os.environ.get("LEADSTREAM_ENDPOINT", "")

# The time in seconds that Lambda grants a function to start.
START_TIMEOUT = 10


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *_, **__):
        return ProcessExecutor


class ProcessExecutor(RuntimeExecutor):
    """One execution environment: a process that runs the function's `bootstrap`, with its own Runtime API."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.settings = function_version.config
        self.process: subprocess.Popen | None = None
        # Invocations for the process, and its answers.
        self.todo, self.done = queue.Queue(), queue.Queue()
        self.is_started = threading.Event()

    def start(self, env_vars: dict) -> None:
        self.environment = {name: str(value) for name, value in env_vars.items()} | _as_on_aws(env_vars)
        signers[self.environment["AWS_ACCESS_KEY_ID"]] = self.settings.role.rpartition("/")[2]
        self.temporary = tempfile.TemporaryDirectory(prefix=f"{self.function_version.id.function_name}-")
        self.log = Path(self.temporary.name) / "log"
        self.runtime_api = RuntimeApi(self)
        threading.Thread(target=self.runtime_api.serve_forever, daemon=True).start()
        self._start_process()

    def stop(self) -> None:
        self._end_process()
        self.runtime_api.shutdown()
        self.runtime_api.server_close()
        self.temporary.cleanup()

    def invoke(self, payload: dict) -> InvocationResult:
        if self.process is None:
            self._start_process()
        logged = self.log.stat().st_size
        request = payload["invoke-id"]
        deadline = time.time() + self.settings.timeout
        self.todo.put((payload, deadline))
        kind, body = self._answer_to(request, deadline)
        with open(self.log, "rb") as log:
            log.seek(logged)
            lines = log.read().decode(errors="replace")
        function = self.function_version.id
        metrics.publish(lines, function.account, function.region)
        version = function.qualifier
        logs = f"START RequestId: {request} Version: {version}\n{lines}END RequestId: {request}\n"
        return InvocationResult(request, body, is_error=kind == "error", logs=logs)

    def get_logs(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version) -> None:
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version) -> None:
        pass

    def _start_process(self) -> None:
        code = self.settings.code.get_unzipped_code_location()
        bootstrap = Path(code) / "bootstrap"
        bootstrap.chmod(0o755)
        # What an earlier process left must not be taken for this one's.
        for left in (self.todo, self.done):
            while not left.empty():
                left.get()
        self.is_started.clear()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [bootstrap], cwd=code, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ["PATH"], **self.environment, "LAMBDA_TASK_ROOT": str(code),
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime_api.server_port}",
                },
            )
        deadline = time.time() + START_TIMEOUT
        while not self.is_started.wait(0.005):
            if self.process.poll() is not None or time.time() > deadline or not self.done.empty():
                reason = self.get_logs()[-500:] or "did not start"
                body = _error("Runtime.ExitError", reason) if self.done.empty() else self.done.get()[2]
                self._end_process()
                raise StatusErrorException("Environment startup failed", payload=body)

    def _end_process(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answer_to(self, request: str, deadline: float) -> tuple[str, bytes]:
        """The answer's kind, `response` or `error`, and body. As on AWS, a failed process is replaced."""
        while True:
            try:
                kind, answered, body = self.done.get(timeout=0.02)
                if answered == request:
                    return kind, body
            except queue.Empty:
                if self.process is None or self.process.poll() is not None:
                    failure = "Runtime.ExitError", "Runtime exited without providing a reason"
                elif time.time() > deadline:
                    failure = "Sandbox.Timedout", f"Task timed out after {self.settings.timeout}.00 seconds"
                else:
                    continue
                self._end_process()
                return "error", _error(failure[0], f"RequestId: {request} Error: {failure[1]}")


def _as_on_aws(env_vars: dict) -> dict[str, str]:
    """The secret key of a role has 40 characters. The strict wire derives it from the access key in the same way
    (`dummy_secret` in `shared/testkit/src/strict`), and stands where the functions call AWS."""
    secret = hashlib.sha256(env_vars["AWS_ACCESS_KEY_ID"].encode()).hexdigest()[:40]
    return {"AWS_SECRET_ACCESS_KEY": secret} | ({"AWS_ENDPOINT_URL": front} if front else {})


def change_front(request) -> Response:
    """Lets processes that start from now on call AWS at the URL in the body. Refuses one that cannot be reached from here."""
    global front
    url = request.get_data(as_text=True)
    if url:
        parts = urlsplit(url)
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=2).close()
        except OSError as error:
            return Response(f"{url} cannot be reached from here: {error}", 409)
    front = url
    return Response(status=204)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


@hooks.on_infra_start()
def hand_over_bodies_as_they_are() -> None:
    """Keeps LocalStack's poller from parsing and rewriting bodies.

    A deeply nested body would block its group forever, and any other JSON would arrive with other bytes than were sent.
    """
    from localstack.services.lambda_.event_source_mapping.pollers import sqs_poller

    sqs_poller.json = SimpleNamespace(loads=lambda body: body, dumps=json.dumps, JSONDecodeError=ValueError)
