"""Deploys `infra/template.yaml` to a local AWS in the same way as to AWS: code through S3, the rest through
CloudFormation. Only the parameters differ."""

import hashlib
import io
import json
import platform
import re
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "template.yaml"
PARAMETERS = HERE / "parameters.json"
STACK = "leadstream"
CODE_BUCKET = "leadstream-code"

CODE_URI = re.compile(r"^(?P<key> *CodeUri: *)\.\./target/lambda/(?P<function>[a-z-]+)/ *$", re.MULTILINE)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class DeploymentFailed(Exception):
    """The stack could not be deployed; the message has the cause."""


def deploy(endpoint: str, region: str, artifacts: Path, parameters: dict[str, str] | None = None) -> dict[str, str]:
    """Creates or updates the stack, with `parameters` besides those of the file.

    Returns the environment variables for programs that use it.
    """

    def at_endpoint(service: str):
        return client(service, endpoint, region)

    url = packaged(TEMPLATE.read_text(), artifacts, at_endpoint("s3"))
    outputs = _create_or_update(at_endpoint("cloudformation"), url, parameters or {})
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


def set_variables(endpoint: str, region: str, function: str, changed: dict[str, str]) -> None:
    """Changes a function's environment variables, as a deployment with other parameters would."""
    functions = client("lambda", endpoint, region)
    name = f"{STACK}-{function}"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables | changed})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


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
    return boto3.client(
        service, endpoint_url=endpoint, region_name=region,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        # Never through a proxy, even if the environment configures one.
        config=Config(proxies={}, retries={"mode": "standard", "max_attempts": 3}),
    )


def packaged(template: str, artifacts: Path, s3) -> str:
    """Uploads the functions and the template that names their S3 locations, as `sam deploy` does. Returns its URL."""
    s3.create_bucket(Bucket=CODE_BUCKET)

    def uploaded(code: re.Match) -> str:
        archive = _zipped(artifacts / code["function"] / "bootstrap")
        # The key contains a digest of the content, so that CloudFormation detects new code.
        key = f"{code['function']}/{hashlib.sha256(archive).hexdigest()}.zip"
        s3.put_object(Bucket=CODE_BUCKET, Key=key, Body=archive)
        return f"{code['key']}s3://{CODE_BUCKET}/{key}"

    body, functions = CODE_URI.subn(uploaded, template)
    if functions == 0:
        raise DeploymentFailed(f"{TEMPLATE} has no CodeUri of the form ../target/lambda/<function>/")
    # A template that is sent along may have only 51,200 bytes (CloudFormation User Guide, "Quotas").
    key = f"{hashlib.sha256(body.encode()).hexdigest()}.template"
    s3.put_object(Bucket=CODE_BUCKET, Key=key, Body=body.encode())
    return f"{s3.meta.endpoint_url}/{CODE_BUCKET}/{key}"


def _zipped(bootstrap: Path) -> bytes:
    """A deployment package with one executable. The same program always gives the same bytes."""
    if not bootstrap.is_file():
        raise DeploymentFailed(f"{bootstrap} is missing: run `make build-local`")
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    # Little compression, because the package never leaves this machine.
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr(entry, bootstrap.read_bytes())
    return archive.getvalue()


def _parameters(changed: dict[str, str]) -> list[dict[str, str]]:
    machine = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    values = {"Architecture": machine[platform.machine().lower()]} | json.loads(PARAMETERS.read_text()) | changed
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _create_or_update(cloudformation, template_url: str, parameters: dict[str, str]) -> dict[str, str]:
    stack = {
        "StackName": STACK, "TemplateURL": template_url, "Parameters": _parameters(parameters),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        try:
            cloudformation.create_stack(**stack)
            done = "stack_create_complete"
        except cloudformation.exceptions.AlreadyExistsException:
            cloudformation.update_stack(**stack)
            done = "stack_update_complete"
        cloudformation.get_waiter(done).wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentFailed(str(error)) from error
    except WaiterError as error:
        raise DeploymentFailed("\n".join([str(error), *_failures(cloudformation)])) from error
    outputs = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


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


def _failures(cloudformation) -> list[str]:
    """The stack's events about resources that could not be created, oldest first."""
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    return [
        f"  {event['LogicalResourceId']}: {event['ResourceStatus']}: {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]
