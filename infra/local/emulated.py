"""MiniStack with one change to match AWS: the secret key of a role has 40 characters. It is derived from the access
key, so that the strict wire can derive it too (`dummy_secret` in `shared/testkit/src/strict`)."""

import hashlib
import runpy

from ministack.core import lambda_runtime
from ministack.services import sts

_given = lambda_runtime.execution_credentials


def execution_credentials(config: dict) -> dict[str, str]:
    credentials = _given(config)
    access_key = credentials["AWS_ACCESS_KEY_ID"]
    if access_key.startswith("ASIA"):
        secret = hashlib.sha256(access_key.encode()).hexdigest()[:40]
        credentials["AWS_SECRET_ACCESS_KEY"] = secret
        # If MiniStack enforces policies, it also verifies signatures, and needs the new secret for that.
        sts.register_session(access_key, sts._sessions[access_key] | {"SecretAccessKey": secret})
    return credentials


lambda_runtime.execution_credentials = execution_credentials

if __name__ == "__main__":
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
