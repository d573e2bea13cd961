"""The status of the stack on a local AWS, and its removal."""

import time

from botocore.exceptions import ClientError

from deployment import CODE_BUCKET, STACK, DeploymentFailed, client

# The time in seconds that CloudFormation has to end what it does.
TIMEOUT = 60


def status(endpoint: str, region: str) -> str | None:
    """The stack's status, such as `CREATE_COMPLETE`; `None` if there is no stack."""
    try:
        stack = client("cloudformation", endpoint, region).describe_stacks(StackName=STACK)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error code of its own for this.
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return None
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack["StackStatus"]


def undeploy(endpoint: str, region: str) -> bool:
    """Deletes the stack with its tables, identity and code, even if it is half deployed. Returns whether there was one."""
    cloudformation = client("cloudformation", endpoint, region)

    def wait_until(is_reached) -> str | None:
        deadline = time.monotonic() + TIMEOUT
        while not is_reached(found := status(endpoint, region)):
            if time.monotonic() > deadline:
                raise DeploymentFailed(f"stack `{STACK}` at {endpoint} cannot be deleted ({found}): restart the local AWS")
            time.sleep(0.5)
        return found

    # A local AWS goes on deploying what a killed process began.
    if not wait_until(lambda found: not is_changing(found)):
        return False
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]

    def names_of(kind: str) -> set[str]:
        return {one["PhysicalResourceId"] for one in resources
                if one["ResourceType"] == kind and one.get("PhysicalResourceId")}

    cloudformation.delete_stack(StackName=STACK)
    # LocalStack reports DELETE_FAILED while it still deletes other resources, and in the end deletes the stack.
    wait_until(lambda found: found is None)
    # The template retains tables and the identity.
    dynamodb = client("dynamodb", endpoint, region)
    for table in names_of("AWS::DynamoDB::Table").intersection(dynamodb.list_tables()["TableNames"]):
        dynamodb.delete_table(TableName=table)
    for identity in names_of("AWS::SES::EmailIdentity"):
        try:
            client("sesv2", endpoint, region).delete_email_identity(EmailIdentity=identity)
        except ClientError:
            # Version 2 of the API is missing, or the identity is gone, which is no error in version 1.
            client("ses", endpoint, region).delete_identity(Identity=identity)
    s3 = client("s3", endpoint, region)
    try:
        for stored in s3.list_objects_v2(Bucket=CODE_BUCKET).get("Contents", []):
            s3.delete_object(Bucket=CODE_BUCKET, Key=stored["Key"])
        s3.delete_bucket(Bucket=CODE_BUCKET)
    except s3.exceptions.NoSuchBucket:
        pass  # deleted before, perhaps by a request that LocalStack answered with 500 and botocore repeated
    return True


def is_changing(status: str | None) -> bool:
    """Whether the stack is being deployed or deleted."""
    return status is not None and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
