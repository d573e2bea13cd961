"""MiniStack with four changes. The secret key of a role has 40 characters, as on AWS; it is derived from the access key,
so that the strict wire can derive it too (`dummy_secret` in `shared/testkit/src/strict`). SES identities have the attributes
of which the template makes DNS records. It offers the inspection interface that every engine offers (see `engine.py`). And
it deploys the saved queries of Logs Insights, which MiniStack cannot run, as LocalStack does: as nothing."""

import hashlib
import json
import runpy

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, sts
from ministack.services.cloudformation import provisioners

_given = lambda_runtime.execution_credentials
_handle = app._handle_pre_body_request
_signers: dict[str, str] = {}


def execution_credentials(config: dict) -> dict[str, str]:
    credentials = _given(config)
    access_key = credentials["AWS_ACCESS_KEY_ID"]
    if access_key.startswith("ASIA"):
        secret = hashlib.sha256(access_key.encode()).hexdigest()[:40]
        credentials["AWS_SECRET_ACCESS_KEY"] = secret
        _signers[access_key] = config["Role"].rpartition("/")[2]
        # If MiniStack enforces policies, it also verifies signatures, and needs the new secret for that.
        sts.register_session(access_key, sts._sessions[access_key] | {"SecretAccessKey": secret})
    return credentials


async def handle(method: str, path: str, headers: dict, query: dict, request_id: str):
    match path:
        case "/_local/mails":
            found = await app._handle_ses_messages_request("GET", "/_ministack/ses/messages", headers, {})
            answer = [_mail(one) for one in _all_in(json.loads(found[2])["messages"])]
        case "/_local/messages":
            asked = {"QueueUrl": query["queue"]}
            found = await app._handle_sqs_messages_request("GET", "/_ministack/sqs/messages", headers, asked)
            answer = [_message(one) for one in _all_in(json.loads(found[2])["messages"])]
        case "/_local/signers":
            answer = _signers
        case _:
            return await _handle(method, path, headers, query, request_id)
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def _mail(mail: dict) -> dict:
    return {"to": mail["To"], "subject": mail["Subject"], "text": mail["BodyText"], "html": mail["BodyHtml"]}


def _message(message: dict) -> dict:
    attributes = {name: value.get("StringValue", "") for name, value in message["MessageAttributes"].items()}
    return {"group": message["MessageGroupId"], "body": message["Body"], "attributes": attributes}


def _all_in(found) -> list[dict]:
    """MiniStack answers by account, and for queues also by region and queue."""
    return found if isinstance(found, list) else [one for inner in found.values() for one in _all_in(inner)]


def with_dkim_tokens(change):
    """`change` of an SES identity, with the attributes that CloudFormation adds to a domain's (AWS::SES::EmailIdentity)."""

    def changed(*arguments, **named):
        identity, attributes = change(*arguments, **named)
        tokens = {}
        for number in "123":
            tokens[f"DkimDNSTokenName{number}"] = f"token{number}._domainkey.{identity}"
            tokens[f"DkimDNSTokenValue{number}"] = f"token{number}.dkim.amazonses.com"
        return identity, attributes | tokens

    return changed


_identities = provisioners._RESOURCE_HANDLERS["AWS::SES::EmailIdentity"]
_identities |= {change: with_dkim_tokens(_identities[change]) for change in ("create", "update")}
provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
    "create": lambda logical_id, properties, stack: (logical_id, {}),
    "update": lambda physical_id, old, new, stack: (physical_id, {}),
    "delete": lambda physical_id, properties: None,
}
# `lambda_svc`, which `provisioners` imports, has its own name for the function by now.
lambda_runtime.execution_credentials = lambda_svc.execution_credentials = execution_credentials
app._handle_pre_body_request = handle

if __name__ == "__main__":
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
