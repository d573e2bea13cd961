"""Deploys `infra/template.yaml` to a local AWS with the deployer for AWS (`infra/deploy`). Only the stage differs."""

import json
import sys
import urllib.error
from dataclasses import replace
from functools import partial
from pathlib import Path

import boto3
import sam
from botocore.exceptions import ClientError
from engine import direct

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from deploy import Refused, commands, packages, stage  # noqa: E402
from deploy.account import Account, identified  # noqa: E402
from deploy.account import client as client_of  # noqa: E402
from deploy.rollout import ALIAS  # noqa: E402
from deploy.template import TEMPLATE, Template  # noqa: E402

STAGE = HERE / "stage.toml"
STACK = "leadstream"
# Not the bucket of all stages, because it is deleted with the stack.
CODE_BUCKET = "leadstream-code"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class DeploymentFailed(Exception):
    """The stack could not be deployed; the message has the cause."""


def deploy(endpoint: str, region: str, artifacts: Path, parameters: dict[str, str] | None = None) -> dict[str, str]:
    """Creates or updates the stack, silently unless that fails. `parameters` override those of the stage file.

    Returns the environment variables for programs that use it.
    """
    template, said = Template(TEMPLATE.read_text(encoding="utf-8")), []
    try:
        outputs = commands.deploy(
            account(endpoint, region), local_stage(template, artifacts, parameters), template, artifacts, said.append,
            lambda _: True, accepts_new_tables=True)
    except (Refused, ClientError) as error:
        raise DeploymentFailed("\n".join([*said, str(error)])) from error
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
        "REACTOR_FAILURES_QUEUE_URL": outputs["ReactorFailuresQueueUrl"],
        "EMAIL_CONFIGURATION_SET": f"{STACK}-emails",
        "RECORDER_LOG_GROUP": f"/aws/lambda/{STACK}-recorder",
        "REACTOR_LOG_GROUP": f"/aws/lambda/{STACK}-reactor",
        "SWEEPER_LOG_GROUP": f"/aws/lambda/{STACK}-sweeper",
        "RECEIPTS_LOG_GROUP": f"/aws/lambda/{STACK}-receipts",
    }


def account(endpoint: str, region: str) -> Account:
    """The engine's account, as the deployer sees it."""
    local = identified(_session(), region, endpoint, interval=1)
    local.bucket = CODE_BUCKET
    if _is_localstack(endpoint):
        local.prepared = partial(sam.transformed, region=region)
    return local


def _is_localstack(endpoint: str) -> bool:
    try:
        with direct.open(f"{endpoint}/_localstack/info", timeout=10):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False


def local_stage(template: Template, artifacts: Path, parameters: dict[str, str] | None = None) -> stage.Stage:
    """The local stage, for the architecture of the functions that were built. `parameters` override its own."""
    stated = stage.load(STAGE, template)
    built = {"Architecture": packages.architecture(artifacts, template)}
    return replace(stated, parameters=built | stated.parameters | (parameters or {}))


def set_variables(endpoint: str, region: str, function: str, changed: dict[str, str]) -> None:
    """Changes a function's environment variables, as a deployment with other parameters would."""
    functions = client("lambda", endpoint, region)
    name = f"{STACK}-{function}"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables | changed})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    # Mappings and schedule call the alias.
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1})
    functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def roles(endpoint: str, region: str) -> dict[str, dict]:
    """The functions' roles by name: `{"function", "policies"}`, the policies as CloudFormation resolved them."""
    iam = client("iam", endpoint, region)
    found = {}
    for function in client("lambda", endpoint, region).list_functions()["Functions"]:
        if not function["FunctionName"].startswith(f"{STACK}-"):
            continue
        name = function["Role"].rpartition("/")[2]
        policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
        found[name] = {
            "function": function["FunctionName"],
            "policies": [iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in policies],
        }
    return found


def client(service: str, endpoint: str, region: str):
    """A client of the local AWS."""
    return client_of(_session(), service, region, endpoint)


def _session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def make_policies_enforceable(endpoint: str, region: str) -> None:
    """Compensates for two differences between AWS and an emulator that enforces policies."""

    # Requests reach the emulator over plain HTTP, which the queues' policies deny. It trusts this header.
    sqs = client("sqs", endpoint, region)
    sqs.meta.events.register("before-sign.sqs.*", lambda request, **_: request.headers.add_header(
        "x-forwarded-proto", "https"))
    for queue_url in sqs.list_queues()["QueueUrls"]:
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": ""})
    functions, iam = client("lambda", endpoint, region), client("iam", endpoint, region)
    # The emulator checks `ses:SendEmail` on "*", AWS on the identity.
    for function in ("reactor", "sweeper"):
        configuration = functions.get_function_configuration(FunctionName=f"{STACK}-{function}")
        iam.put_role_policy(
            RoleName=configuration["Role"].rpartition("/")[2], PolicyName="emulator-names-no-identity",
            PolicyDocument=json.dumps({
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "ses:SendEmail", "Resource": "*"},
            }),
        )
