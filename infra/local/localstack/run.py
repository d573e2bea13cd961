"""LocalStack with the plugin in this folder, and a MiniStack beside it for DynamoDB, in one process group.

    run.py PYTHON EMULATED HEALTH    the MiniStack's interpreter, its program, and the path that answers once it is ready
"""

import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import metadata

VERSION = "4.14.0"
START_TIMEOUT = 60


def main() -> None:
    _check_installation()
    host, _, port = os.environ["GATEWAY_LISTEN"].partition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # LocalStack itself would go on without a listener.
            probe.bind((host, int(port)))
        except OSError:
            sys.exit(f"port {port} is in use")
    os.environ["LEADSTREAM_DYNAMODB"] = _start_ministack(*sys.argv[1:])
    sys.argv = sys.argv[:1]
    runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)


def _check_installation() -> None:
    again = "delete .venv-localstack and run the same make target again"
    try:
        found = metadata.version("localstack-core")
    except metadata.PackageNotFoundError:
        sys.exit(f"LocalStack is not installed: {again}")
    if found != VERSION:
        sys.exit(f"LocalStack {found} is installed, but {VERSION} is needed: {again}")
    executors = metadata.entry_points(group="localstack.lambda.runtime_executor")
    if "process" not in {entry.name for entry in executors}:
        sys.exit("LocalStack's plugin is missing: restore infra/local/localstack/leadstream-1.dist-info")


def _start_ministack(python: str, program: str, health: str) -> str:
    """Starts a MiniStack on a free port and returns its URL once it answers. It stays in this process's group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([python, program], env=os.environ | {"GATEWAY_PORT": str(port)})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with direct.open(url + health, timeout=2):
                return url
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the MiniStack beside LocalStack did not start")
            time.sleep(0.1)


if __name__ == "__main__":
    main()
