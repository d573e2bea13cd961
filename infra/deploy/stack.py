"""A deployed stack, and change sets: proposed, shown, then applied or discarded."""

import time
from dataclasses import dataclass

from botocore.exceptions import ClientError, WaiterError

from deploy import Refused
from deploy.account import Account

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
# CloudFormation calls a change set without changes a failure (both texts: ansible-collections/amazon.aws#507).
UNCHANGED = ("didn't contain changes", "No updates are to be performed")
# Resources whose content would be lost, or left behind, with them.
KEEPERS = ("AWS::DynamoDB::Table", "AWS::SQS::Queue")
# A change set that is created, but not applied, leaves a stack in this state behind, which contains nothing.
EMPTY = "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Deployed:
    """A stack as CloudFormation describes it."""

    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    # Differs from that of an earlier stack with the same name.
    id: str = ""


def deployed(account: Account, name: str) -> Deployed | None:
    """The stack with this name, if it exists."""
    try:
        found = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise Refused(f"The stack {name} cannot be described: {error}.") from error
    if found["StackStatus"] == EMPTY:
        return None
    return Deployed(
        name, found["StackStatus"],
        {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])},
        {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
        found.get("StackId", "").rpartition("/")[2],
    )


def resources(account: Account, name: str) -> list[dict]:
    """The resources of a stack, without those that were deleted or left behind."""
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    return [one for page in pages for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] not in ("DELETE_COMPLETE", "DELETE_SKIPPED") and one.get("PhysicalResourceId")]


@dataclass(frozen=True)
class ChangeSet:
    """Changes that CloudFormation has worked out and not yet applied."""

    account: Account
    stack: str
    creates: bool
    id: str
    changes: list[dict]

    def lines(self) -> list[str]:
        """One line for each change."""
        return [_line(change) for change in self.changes]

    def endangered(self) -> list[str]:
        """The logical ids of tables and queues that would be replaced or removed."""
        return [
            change["LogicalResourceId"] for change in self.changes
            if change["ResourceType"] in KEEPERS and (
                change["Action"] == "Remove" or change.get("Replacement", "False") != "False")
        ]

    def apply(self) -> None:
        """Applies the changes and returns when the stack has them. Raises `Refused` with the causes of a failure."""
        cloudformation = self.account.client("cloudformation")
        before = {event["EventId"] for event in _events(self.account, self.stack)}
        cloudformation.execute_change_set(ChangeSetName=self.id)
        waiter = cloudformation.get_waiter("stack_create_complete" if self.creates else "stack_update_complete")
        try:
            waiter.wait(StackName=self.stack, WaiterConfig=_patience(self.account))
        except WaiterError as error:
            causes = causes_of_failure(self.account, self.stack, before) or [str(error)]
            raise Refused("\n".join([f"CloudFormation could not change {self.stack}:", *causes])) from error

    def discard(self) -> None:
        """Deletes the change set, and the empty stack that CloudFormation made for it."""
        cloudformation = self.account.client("cloudformation")
        cloudformation.delete_change_set(ChangeSetName=self.id)
        if self.creates:
            cloudformation.delete_stack(StackName=self.stack)


def propose(
    account: Account, stack: str, creates: bool, template_url: str, parameters: list[dict], tags: dict[str, str],
) -> ChangeSet | None:
    """Has CloudFormation work out the changes. `None` if it finds none."""
    cloudformation = account.client("cloudformation")
    try:
        created = cloudformation.create_change_set(
            StackName=stack, ChangeSetName=f"leadstream-{time.time_ns()}",
            ChangeSetType="CREATE" if creates else "UPDATE", TemplateURL=template_url, Parameters=parameters,
            Capabilities=CAPABILITIES,
            # Without tags an update keeps those of the stack.
            **({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}),
        )
    except ClientError as error:
        raise Refused(f"CloudFormation refused the template or its parameters: {error}.") from error
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(
            ChangeSetName=created["Id"], StackName=stack, WaiterConfig=_patience(account))
    except WaiterError as error:
        reason = cloudformation.describe_change_set(ChangeSetName=created["Id"]).get("StatusReason", str(error))
        ChangeSet(account, stack, creates, created["Id"], []).discard()
        if any(unchanged in reason for unchanged in UNCHANGED):
            return None
        raise Refused(f"CloudFormation could not work out the changes: {reason}") from error
    pages = cloudformation.get_paginator("describe_change_set").paginate(ChangeSetName=created["Id"], StackName=stack)
    changes = [change["ResourceChange"] for page in pages for change in page["Changes"] if "ResourceChange" in change]
    return ChangeSet(account, stack, creates, created["Id"], changes)


def delete(account: Account, name: str) -> None:
    """Deletes a stack and returns when it is gone. Raises `Refused` with the causes of a failure."""
    cloudformation = account.client("cloudformation")
    before = {event["EventId"] for event in _events(account, name)}
    id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=name)
    try:
        # By id, because a deleted stack is no longer found by its name.
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=id, WaiterConfig=_patience(account))
    except WaiterError as error:
        causes = causes_of_failure(account, id, before) or [str(error)]
        raise Refused("\n".join([
            f"CloudFormation could not delete {name}:", *causes, "Remove the causes, then run `make destroy` again.",
        ])) from error


def causes_of_failure(account: Account, stack: str, before: set[str]) -> list[str]:
    """What failed since `before`, oldest first, without what was only cancelled for that reason."""
    return [
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
        for event in reversed(_events(account, stack))
        if event["EventId"] not in before and event["ResourceStatus"].endswith("FAILED")
        and "cancelled" not in event.get("ResourceStatusReason", "")
    ]


def _events(account: Account, stack: str) -> list[dict]:
    try:
        pages = account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        return [event for page in pages for event in page["StackEvents"]]
    except ClientError:
        return []  # the stack is new, or gone


def _patience(account: Account) -> dict[str, int]:
    """Three hours. The slowest rollout takes one and a half."""
    return {"Delay": account.interval, "MaxAttempts": 3 * 3600 // account.interval}


def _line(change: dict) -> str:
    match change["Action"], change.get("Replacement"):
        case "Add", _:
            sign = "+ add    "
        case "Modify", "True":
            sign = "! replace"
        case "Modify", "Conditional":
            sign = "? replace"
        case "Modify", _:
            sign = "~ change "
        case "Remove", _:
            sign = "- remove "
        case other, _:
            sign = f"? {other}"
    stays = " (stays in the account)" if change.get("PolicyAction") in ("Retain", "ReplaceAndRetain") else ""
    causes = sorted({detail["Target"].get("Name", detail["Target"]["Attribute"]) for detail in change.get("Details", [])})
    return f"  {sign} {change['LogicalResourceId']:<32} {change['ResourceType']}{stays} {', '.join(causes)}".rstrip()
