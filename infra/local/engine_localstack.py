"""LocalStack 4.14.0 in host mode, without Docker, account and token, and a MiniStack that is its DynamoDB.

It needs Python 3.13 and is installed in `.venv-localstack`. Its plugin in `localstack/leadstream` runs functions as
processes and completes SES.
"""

import sys
from pathlib import Path

from engine import Engine, EmulatorFailed, Place
from engine_ministack import MiniStack

LOCAL = Path(__file__).resolve().parent
PYTHON = LOCAL.parents[1] / ".venv-localstack/bin/python"


class LocalStack(Engine):
    name = "localstack"
    program = LOCAL / "localstack/run.py"
    can_enforce_iam = False
    health = "/_localstack/health"

    def command(self) -> list[str | Path]:
        if not PYTHON.exists():
            raise EmulatorFailed("LocalStack is not installed: run `make .venv-localstack/ready`")
        # -B: the sources of the plugin stay free of compiled files.
        return [PYTHON, "-B", self.program, sys.executable, MiniStack.program, MiniStack.health]

    def settings(self, place: Place) -> dict[str, str]:
        address = f"127.0.0.1:{place.port}"
        beside = MiniStack().settings(place)
        # LocalStack would take it for the address of AWS.
        del beside["AWS_ENDPOINT_URL"]
        return beside | {
            "GATEWAY_LISTEN": address,
            "LOCALSTACK_HOST": address,
            "FILESYSTEM_ROOT": str(place.home / "tmp/localstack"),
            # It downloads and reports nothing, and starts no DNS server.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            # Without the dashboard and the saved queries, whose types it does not know.
            "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1",
            # The plugin's parts.
            "GATEWAY_SERVER": "loopback",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "PROVIDER_OVERRIDE_DYNAMODB": "beside",
            "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "beside",
            "LEADSTREAM_ENDPOINT": place.front,
            # The access keys of roles begin as on AWS, by which the strict wire knows them.
            "PARITY_AWS_ACCESS_KEY_ID": "1",
            # A queue's URL names the region in its path and has no host that a resolver would have to know.
            "SQS_ENDPOINT_STRATEGY": "path",
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
        }
