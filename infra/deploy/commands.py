"""The deployer's commands: deploy, roll back, destroy."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from deploy import Refused, packages, preflight, rollout, stack, versions
from deploy.account import Account
from deploy.preflight import NEVER_CREATED, STOP, UPDATABLE, Finding, Plan
from deploy.stage import Stage
from deploy.template import Template

Say = Callable[[str], None]
Confirm = Callable[[str], bool]


def architecture(account: Account, stage: Stage, template: Template) -> str:
    """The architecture for which to build: the stage's, else the stack's, else the template's default."""
    return Plan(account, stage, template, stack.deployed(account, stage.stack)).value("Architecture")


def deploy(
    account: Account, stage: Stage, template: Template, artifacts: Path, say: Say, confirm: Confirm,
    allowed: frozenset[str] = frozenset(), accepts_new_tables: bool = False,
) -> dict[str, str]:
    """Creates the stage's stack or brings it up to date. Returns its outputs.

    Tables and queues are replaced or removed only if they are `allowed`, by logical id.
    """
    plan = Plan(account, stage, template, stack.deployed(account, stage.stack), accepts_new_tables)
    _check(plan, artifacts, say)
    body = packages.upload(account, artifacts, template)
    if plan.deployed and plan.deployed.status == NEVER_CREATED:
        stack.delete(account, stage.stack)
    # A failed creation deletes its tables, which protection would forbid, so the first change set leaves them
    # unprotected and the second protects them.
    is_protected_later = plan.creates and plan.value("DeletionProtection") == "true"
    first = _with_protection(plan, "false") if is_protected_later else plan
    # Once, so that protecting the tables publishes no further versions.
    stamped = versions.stamped(body, _values(plan).__getitem__)
    is_changed = _change(first, stamped, say, confirm, allowed)
    if is_changed:
        if is_protected_later:
            created = replace(plan, deployed=stack.deployed(account, stage.stack))
            _change(_with_protection(created, "true"), stamped, lambda _: None, lambda _: True, allowed)
        _record(plan, body)
    has_moved = _go_forward(account, stage, say, (lambda _: True) if is_changed else confirm)
    outputs = stack.deployed(account, stage.stack).outputs
    done = "created" if plan.creates else "changed" if is_changed or has_moved else "unchanged"
    say("\n".join([f"{stage.stack} is {done}.", *_listed(outputs)]))
    return outputs


def check(account: Account, stage: Stage, template: Template, artifacts: Path, say: Say) -> None:
    """Reports what stands against a deployment, and changes nothing."""
    _check(Plan(account, stage, template, stack.deployed(account, stage.stack)), artifacts, say)
    say("Nothing stops a deployment.")


def roll_back(account: Account, stage: Stage, say: Say, confirm: Confirm) -> None:
    """Moves the aliases to the versions that were live before, in seconds. Versions contain code and settings.

    Template and parameters stay, so the next deployment goes forward again.
    """
    deployed = stack.deployed(account, stage.stack)
    if deployed is None or deployed.status == NEVER_CREATED:
        raise Refused(f"The stack {stage.stack} does not exist: deploy it.")
    if deployed.status not in UPDATABLE:
        raise Refused(f"The stack {stage.stack} is {deployed.status}: `aws cloudformation cancel-update-stack --stack-name "
                      f"{stage.stack}` ends a rollout and takes it back.")
    found = rollout.aliases(account, stack.resources(account, stage.stack))
    now = rollout.versions(found)
    earlier = next((one for one in _lives(account, stage.stack, deployed.id)
                    if any(one["versions"].get(function, version) != version for function, version in now.items())), None)
    if earlier is None:
        raise Refused(f"No earlier versions of {stage.stack} are recorded in {account.bucket}: check out and deploy them.")
    say("\n".join([f"Back to the versions of {earlier['at']}:", *rollout.moves(account, found, earlier["versions"])]))
    if not confirm(f"Move the aliases of {stage.stack} in account {account.id}, {account.region}?"):
        raise Refused("Nothing was changed.")
    rollout.move(account, found, earlier["versions"])
    _record_live(account, stage, deployed.id, now | earlier["versions"])
    say("Done. The next deployment goes forward again. Running this again undoes it.")


def roll_back_whole(account: Account, stage: Stage, say: Say, confirm: Confirm) -> None:
    """Deploys the template and packages that were deployed before the current ones. Parameters keep their values."""
    records = _records(account, stage)
    current = records[0] if records else None
    earlier = next((one for one in records if one["digest"] != current["digest"]), None)
    if earlier is None:
        raise Refused(f"No earlier deployment of {stage.stack} is recorded in {account.bucket}: check out and deploy it.")
    body = account.client("s3").get_object(Bucket=account.bucket, Key=earlier["key"])["Body"].read().decode()
    template = Template(body)
    as_before = replace(stage, parameters={"Architecture": earlier["architecture"]}, tags={})
    plan = Plan(account, as_before, template, stack.deployed(account, stage.stack))
    if plan.creates:
        raise Refused(f"The stack {stage.stack} does not exist: deploy it.")
    say(f"Back to the deployment of {earlier['at']}:")
    is_changed = _change(plan, versions.stamped(body, _values(plan).__getitem__), say, confirm, frozenset())
    if is_changed:
        _record(plan, body)
    _go_forward(account, stage, say, (lambda _: True) if is_changed else confirm)
    say(f"{stage.stack} is as it was then. Running this again undoes it.")


def destroy(account: Account, stage: Stage, say: Say, confirm: Confirm) -> None:
    """Deletes the stage's stack. Refuses while its queues hold messages. Tables and the SES identity stay."""
    deployed = stack.deployed(account, stage.stack)
    if deployed is None:
        say(f"The stack {stage.stack} does not exist.")
        return
    found = stack.resources(account, stage.stack)
    _refuse_messages(account, [one["PhysicalResourceId"] for one in found if one["ResourceType"] == "AWS::SQS::Queue"])
    if not confirm(f"Delete {stage.stack} in account {account.id}, {account.region}?"):
        raise Refused("Not done.")
    stack.delete(account, stage.stack)
    say("\n".join([f"{stage.stack} is deleted.", *_what_stays(account, deployed.outputs, found)]))


def _check(plan: Plan, artifacts: Path, say: Say) -> None:
    found = preflight.findings(plan)
    built, wanted = packages.architecture(artifacts, plan.template), plan.value("Architecture")
    if built != wanted:
        found.append(Finding(STOP, f"the functions were built for {built}, the stack is for {wanted}: run `make package "
                                   f"ARCH={wanted}`"))
    say("\n".join(str(finding) for finding in found))
    stops = sum(finding.level == STOP for finding in found)
    if stops:
        raise Refused(f"Nothing was changed: {stops} of the findings above must be resolved first.")


def _change(plan: Plan, body: str, say: Say, confirm: Confirm, allowed: frozenset[str]) -> bool:
    """Proposes, shows and applies the changes. Returns whether there were any."""
    body = plan.account.prepared(body, _values(plan))
    # By URL, because a template that is sent along may have only 51,200 bytes (CloudFormation User Guide, "Quotas").
    url = packages.put(plan.account, f"templates/{_digest(body)}.yaml", body.encode())
    changes = stack.propose(
        plan.account, plan.stage.stack, plan.creates, url, _parameters(plan), plan.stage.tags)
    if changes is None:
        say("No changes.")
        return False
    say("\n".join(["Changes:", *changes.lines()]))
    refused = [name for name in changes.endangered() if name not in allowed]
    if refused:
        changes.discard()
        raise Refused(
            f"Nothing was changed: {', '.join(refused)} would be replaced or removed, with what is in it. If that is "
            f"meant, pass ALLOW={','.join(refused)}."
        )
    if not confirm(f"Apply this to {plan.stage.stack} in account {plan.account.id}, {plan.account.region}?"):
        changes.discard()
        raise Refused("Nothing was changed.")
    changes.apply()
    return True


def _go_forward(account: Account, stage: Stage, say: Say, confirm: Confirm) -> bool:
    """Moves aliases that were rolled back to the deployed versions, and records what is live. Returns whether any moved."""
    found = rollout.aliases(account, stack.resources(account, stage.stack))
    lines = rollout.moves(account, found, rollout.forward(found))
    if lines:
        say("\n".join(["Functions that go forward to the deployed version:", *lines]))
        if not confirm(f"Move the aliases of {stage.stack} in account {account.id}, {account.region}?"):
            raise Refused("The functions were left at their versions.")
        rollout.move(account, found, rollout.forward(found))
    _record_live(account, stage, stack.deployed(account, stage.stack).id, rollout.forward(found))
    return bool(lines)


def _with_protection(plan: Plan, value: str) -> Plan:
    parameters = plan.stage.parameters | {"DeletionProtection": value}
    return replace(plan, stage=replace(plan.stage, parameters=parameters))


def _values(plan: Plan) -> dict[str, str]:
    """The value that each parameter will have."""
    return {name: plan.value(name) for name in plan.template.parameters} | _stated(plan)


def _stated(plan: Plan) -> dict[str, str]:
    """The parameters of the stage, and the one that is looked up."""
    stated = dict(plan.stage.parameters)
    if "ExistingChangeFeed" in plan.template.parameters:
        stated["ExistingChangeFeed"] = _change_feed(plan.account, plan.value("ExistingStreamsTable"))
    return stated


def _parameters(plan: Plan) -> list[dict]:
    """What the stage says; otherwise what the stack has; otherwise the default, which CloudFormation fills in."""
    stated = _stated(plan)
    kept = {} if plan.creates else plan.deployed.parameters
    return [
        {"ParameterKey": name, "ParameterValue": stated[name]} if name in stated
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in plan.template.parameters if name in stated or name in kept
    ]


def _change_feed(account: Account, table: str) -> str:
    """The label of a table's change feed, with which its ARN ends; empty for no table."""
    if not table:
        return ""
    feed = account.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    return feed.rpartition("/")[2]


def _record(plan: Plan, body: str) -> None:
    """Records what was deployed, for `roll_back`."""
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    packages.put(
        plan.account, f"deployed/{plan.stage.stack}/{at}-{_digest(body)}.yaml", body.encode(),
        {"architecture": plan.value("Architecture")},
    )


def _records(account: Account, stage: Stage) -> list[dict]:
    """The deployments of a stage, newest first."""
    s3, prefix = account.client("s3"), f"deployed/{stage.stack}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=account.bucket, Prefix=prefix)
    keys = sorted((one["Key"] for page in pages for one in page.get("Contents", [])), reverse=True)
    records = []
    for key in keys:
        at, _, digest = key.removeprefix(prefix).removesuffix(".yaml").rpartition("-")
        metadata = s3.head_object(Bucket=account.bucket, Key=key)["Metadata"]
        records.append({"key": key, "at": at, "digest": digest, "architecture": metadata["architecture"]})
    return records


def _record_live(account: Account, stage: Stage, id: str, live: dict[str, str]) -> None:
    """Records the live version of each function, for `roll_back`, unless they are the same as at the last time."""
    last = next(_lives(account, stage.stack, id), None)
    if live and (last is None or last["versions"] != live):
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        packages.put(account, f"live/{stage.stack}/{id}/{at}.json", json.dumps(live, sort_keys=True).encode())


def _lives(account: Account, name: str, id: str) -> Iterator[dict]:
    """The versions that were live in a stack, newest first."""
    s3, prefix = account.client("s3"), f"live/{name}/{id}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=account.bucket, Prefix=prefix)
    for key in sorted((one["Key"] for page in pages for one in page.get("Contents", [])), reverse=True):
        content = s3.get_object(Bucket=account.bucket, Key=key)["Body"].read()
        yield {"at": key.removeprefix(prefix).removesuffix(".json"), "versions": json.loads(content)}


def _refuse_messages(account: Account, queues: list[str]) -> None:
    sqs, full = account.client("sqs"), []
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
              "ApproximateNumberOfMessagesDelayed")
    for queue in queues:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(counts))["Attributes"]
        messages = sum(int(attributes.get(count, 0)) for count in counts)
        if messages:
            full.append(f"  {messages} in {queue}")
    if full:
        raise Refused("\n".join([
            "Nothing was changed: queues still hold messages, which would be lost:", *full,
            "Stop the senders, wait until the functions and the sales team's system have received the messages, and settle "
            "dead letters (docs/runbook.md). `aws sqs purge-queue --queue-url URL` drops what is not needed.",
        ]))


def _what_stays(account: Account, outputs: dict[str, str], found: list[dict]) -> list[str]:
    # From the outputs, because tables that were taken up are not among the resources.
    tables = {name: outputs[f"{name}Name"] for name in ("StreamsTable", "LeadsTable") if f"{name}Name" in outputs}
    identities = [one["PhysicalResourceId"] for one in found if one["ResourceType"] == "AWS::SES::EmailIdentity"]
    lines = ["What stays, and how to remove it:"]
    for table in tables.values():
        lines.append(f"  table {table}: aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled "
                     f"&& aws dynamodb delete-table --table-name {table}")
    for identity in identities:
        lines.append(f"  SES identity {identity}, which other stacks may use: aws sesv2 delete-email-identity "
                     f"--email-identity {identity}")
    lines.append(f"  bucket {account.bucket} with packages and templates of all stages")
    if tables:
        lines.append("To take the tables up again, put this into the stage file, under [parameters]:")
        lines += [f'  Existing{logical} = "{table}"' for logical, table in tables.items()]
    return lines


def _listed(outputs: dict[str, str]) -> list[str]:
    return [f"  {name}: {value}" if "\n" not in value else "\n    ".join([f"  {name}:", *value.splitlines()])
            for name, value in outputs.items()]


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]
