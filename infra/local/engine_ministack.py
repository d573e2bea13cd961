"""MiniStack, the default engine: needs no account, no token, and any Python from 3.10."""

import sys
from pathlib import Path

from engine import REGION, Engine, Place


class MiniStack(Engine):
    name = "ministack"
    program = Path(__file__).resolve().parent / "emulated.py"
    can_enforce_iam = True
    health = "/_ministack/health"

    def command(self) -> list[str | Path]:
        return [sys.executable, self.program]

    def settings(self, place: Place) -> dict[str, str]:
        return {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(place.port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            # Whether each request is checked against the policies of its signer.
            "AUTH": str(place.enforces_iam).lower(),
            # These listeners are not needed and would not be on the loopback interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Passed on to the functions.
            "AWS_ENDPOINT_URL": place.front,
        }
