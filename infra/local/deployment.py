"""Deploys `infra/template.yaml` to a local AWS with the deployer for AWS (`infra/deploy`). Only the stage differs."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import boto3

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from deploy import Refused, commands, packages, stage  # noqa: E402
from deploy.account import Account, identified  # noqa: E402
from deploy.template import TEMPLATE, Template  # noqa: E402

STAGE = HERE / "stage.toml"
STACK = "leadstream"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class DeploymentFailed(Exception):
    """The stack could not be deployed; the message has the cause."""


def deploy(endpoint: str, region: str, artifacts: Path, enforce_iam: bool = False) -> dict[str, str]:
    """Creates or updates the stack. Returns the environment variables for programs that use it."""
    local = account(endpoint, region)
    outputs = _deploy(local, artifacts)
    if enforce_iam:
        _make_policies_enforceable(local.client, outputs)
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **CREDENTIALS,
        "OFFER_EVENTS_QUEUE_URL": outputs["OfferEventsQueueUrl"],
        "OFFER_EVENTS_DEAD_LETTERS_QUEUE_URL": outputs["OfferEventsDeadLettersQueueUrl"],
        "SALES_TEAM_QUEUE_URL": outputs["SalesTeamQueueUrl"],
        "EMAIL_RECEIPTS_QUEUE_URL": outputs["EmailReceiptsQueueUrl"],
        "STREAMS_TABLE": outputs["StreamsTableName"],
        "LEADS_TABLE": outputs["LeadsTableName"],
        # No output of the template names this queue, but its URL differs only in the name.
        "REACTOR_FAILURES_QUEUE_URL": outputs["EmailReceiptsQueueUrl"].replace("EmailReceipts", "ReactorFailures"),
        "EMAIL_CONFIGURATION_SET": f"{STACK}-emails",
        "RECORDER_LOG_GROUP": f"/aws/lambda/{STACK}-recorder",
        "REACTOR_LOG_GROUP": f"/aws/lambda/{STACK}-reactor",
        "SWEEPER_LOG_GROUP": f"/aws/lambda/{STACK}-sweeper",
        "RECEIPTS_LOG_GROUP": f"/aws/lambda/{STACK}-receipts",
    }


def account(endpoint: str, region: str) -> Account:
    """The engine's account, as the deployer sees it."""
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    return identified(session, region, endpoint, interval=1)


def local_stage(template: Template, artifacts: Path) -> stage.Stage:
    """The local stage, for the architecture of the functions that were built."""
    stated = stage.load(STAGE, template)
    return replace(stated, parameters={"Architecture": packages.architecture(artifacts, template)} | stated.parameters)


def _deploy(local: Account, artifacts: Path) -> dict[str, str]:
    """Deploys, silently unless it fails."""
    template, said = Template(TEMPLATE.read_text(encoding="utf-8")), []
    try:
        chosen = local_stage(template, artifacts)
        return commands.deploy(local, chosen, template, artifacts, said.append, lambda _: True)
    except Refused as error:
        raise DeploymentFailed("\n".join([*said, str(error)])) from error


def set_variables(endpoint: str, region: str, function: str, changed: dict[str, str]) -> None:
    """Changes a function's environment variables, as a deployment with other parameters would."""
    functions = account(endpoint, region).client("lambda")
    name = f"{STACK}-{function}"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables | changed})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def _make_policies_enforceable(client, outputs: dict[str, str]) -> None:
    """Compensates for two differences between AWS and an emulator that enforces policies."""
    # Requests reach the emulator over plain HTTP, which the queues' policies deny. It trusts this header.
    sqs = client("sqs")
    sqs.meta.events.register("before-sign.sqs.*", lambda request, **_: request.headers.add_header(
        "x-forwarded-proto", "https"))
    for key, queue_url in outputs.items():
        if key.endswith("QueueUrl"):
            sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": ""})
    # The emulator checks `ses:SendEmail` on "*", AWS on the identity.
    for function in ("reactor", "sweeper"):
        configuration = client("lambda").get_function_configuration(FunctionName=f"{STACK}-{function}")
        client("iam").put_role_policy(
            RoleName=configuration["Role"].rpartition("/")[2], PolicyName="emulator-names-no-identity",
            PolicyDocument=json.dumps({
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"},
            }),
        )
