"""An account whose answers a test gives; botocore checks requests and answers against AWS's API models."""

import sys
from pathlib import Path

import boto3
from botocore.stub import Stubber

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "infra"))

from deploy.account import Account  # noqa: E402
from deploy.stack import Deployed  # noqa: E402
from deploy.stage import Stage  # noqa: E402
from deploy.template import TEMPLATE, Template  # noqa: E402

TEMPLATE_TEXT = TEMPLATE.read_text(encoding="utf-8")
REAL = Template(TEMPLATE_TEXT)
REQUIRED = {
    "EmailSender": "Cars <offers@example.com>", "EmailIdentity": "example.com", "SiteUrl": "https://example.com",
    "RecorderMaximumConcurrency": "50",
}


class StubbedAccount(Account):
    """An account in eu-central-1. `answers` and `fails` say in advance what its services answer, in order."""

    def __init__(self):
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
        super().__init__(session, "eu-central-1", "123456789012", "arn:aws:iam::123456789012:user/ada", interval=1)
        self._stubs: dict[str, Stubber] = {}

    def answers(self, service: str, operation: str, answer: dict, expected: dict | None = None) -> None:
        self._stub(service).add_response(operation, answer, expected)

    def fails(self, service: str, operation: str, code: str, message: str = "") -> None:
        self._stub(service).add_client_error(operation, code, message)

    def assert_all_asked(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()

    def _stub(self, service: str) -> Stubber:
        if service not in self._stubs:
            self._stubs[service] = Stubber(self.client(service))
            self._stubs[service].activate()
        return self._stubs[service]


def stage(**parameters: str) -> Stage:
    return Stage("test", "leadstream-test", parameters=REQUIRED | parameters)


def deployed(status: str = "UPDATE_COMPLETE", **parameters: str) -> Deployed:
    known = {name: one.default or "" for name, one in REAL.parameters.items()}
    return Deployed("leadstream-test", status, known | REQUIRED | parameters, {})
