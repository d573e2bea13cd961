"""What can be known before anything changes: one finding for each prerequisite of a deployment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from deploy import rollout
from deploy.account import Account
from deploy.stack import Deployed, resources
from deploy.stage import Stage
from deploy.template import Template

OK, NOTE, STOP = "ok", "note", "STOP"
# States of a stack from which a deployment can start. In ROLLBACK_COMPLETE the deployer removes the stack first.
UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE",
             "IMPORT_ROLLBACK_COMPLETE")
NEVER_CREATED = "ROLLBACK_COMPLETE"
# Concurrent invocations beside the recorder's: the reactor runs up to 10 for each shard of the change feed, receipts 5
# (both by their mappings), the sweeper 1.
BESIDE_THE_RECORDER = {"Reactor": 10, "Receipts": 5, "Sweeper": 1}
# Concurrent invocations that Lambda keeps unreserved (AWS Lambda Developer Guide, "Configuring reserved concurrency").
UNRESERVED = 100
KEYS = {
    "ExistingStreamsTable": (("buyer", "sequence"), {"feed"}),
    "ExistingLeadsTable": (("buyer", "kind"), {"open-leads", "open-work"}),
}


@dataclass(frozen=True)
class Finding:
    """What a check found, and for STOP and NOTE what to do about it."""

    level: str
    text: str

    def __str__(self) -> str:
        return f"  {self.level:<4}  {self.text}"


@dataclass(frozen=True)
class Plan:
    """A deployment that is not yet begun."""

    account: Account
    stage: Stage
    template: Template
    deployed: Deployed | None
    # Whether the stack may begin with empty tables although tables of an earlier one exist.
    accepts_new_tables: bool = False

    @property
    def creates(self) -> bool:
        return self.deployed is None or self.deployed.status == NEVER_CREATED

    def value(self, name: str) -> str:
        """The value that a parameter will have: the stage's, else the stack's, else the default."""
        if name in self.stage.parameters:
            return self.stage.parameters[name]
        if not self.creates and name in self.deployed.parameters:
            return self.deployed.parameters[name]
        return self.template.parameters[name].default or ""


def findings(plan: Plan) -> list[Finding]:
    """Every finding. What the credentials may not ask is noted, not refused."""
    account = plan.account
    found = [Finding(OK, f"account {account.id} as {account.caller}, region {account.region}")]
    for what, check in (
        ("the stack", _state), ("parameters", _parameters), ("architecture", _architecture),
        ("the e-mail identity (ses:GetEmailIdentity)", _identity), ("SES's limits (ses:GetAccount)", _sending),
        ("Lambda's concurrency (lambda:GetAccountSettings)", _concurrency),
        ("the live versions (lambda:GetAlias)", _live_versions), ("ringing alarms (cloudwatch:DescribeAlarms)", _ringing),
        ("earlier tables (dynamodb:ListTables)", _earlier_tables),
        ("existing tables (dynamodb:DescribeTable, DescribeContinuousBackups)", _existing_tables),
        ("the alarm topic (sns:GetTopicAttributes)", _alarms),
    ):
        found += _checked(what, partial(check, plan))
    return found


def _checked(what: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except (ClientError, BotoCoreError) as error:
        reason = error.response["Error"]["Code"] if isinstance(error, ClientError) else error
        return [Finding(NOTE, f"not checked: {what}: {reason}")]


def _state(plan: Plan) -> Iterator[Finding]:
    name = plan.stage.stack
    match plan.deployed:
        case None:
            yield Finding(OK, f"stack {name} does not exist: it will be created")
        case Deployed(status=status) if status == NEVER_CREATED:
            yield Finding(NOTE, f"stack {name} is what a failed creation left ({status}): it will be deleted first")
        case Deployed(status=status) if status in UPDATABLE:
            yield Finding(OK, f"stack {name} exists: it will be updated")
        case Deployed(status=status) if status.endswith("IN_PROGRESS"):
            yield Finding(STOP, f"stack {name} is being changed ({status}): wait until CloudFormation has finished")
        case Deployed(status="UPDATE_ROLLBACK_FAILED"):
            yield Finding(STOP, f"the last update of {name} could not be rolled back: remove the cause, then run "
                                f"`aws cloudformation continue-update-rollback --stack-name {name}`")
        case Deployed(status=status):
            yield Finding(STOP, f"stack {name} is half created or half deleted ({status}): run `make destroy`, then deploy")


def _parameters(plan: Plan) -> Iterator[Finding]:
    for name, parameter in plan.template.parameters.items():
        known = name in plan.stage.parameters or (not plan.creates and name in plan.deployed.parameters)
        if parameter.default is None and not known:
            yield Finding(STOP, f"`{name}` is missing in the stage file: {' '.join(parameter.declared['Description'].split())}")
    identity, sender, mail_from = plan.value("EmailIdentity"), plan.value("EmailSender"), plan.value("MailFromDomain")
    address = sender.rpartition("<")[2].removesuffix(">")
    domain = address.rpartition("@")[2]
    if identity and sender and identity not in (address, domain) and not domain.endswith(f".{identity}"):
        yield Finding(STOP, f"EmailSender {address} does not belong to EmailIdentity {identity}")
    if mail_from and not mail_from.endswith(f".{identity.rpartition('@')[2]}"):
        yield Finding(STOP, f"MailFromDomain {mail_from} is not a subdomain of EmailIdentity {identity}")
    if plan.value("DeletionProtection") == "false":
        yield Finding(NOTE, "the tables are not protected against deletion: set DeletionProtection = true for real data")


def _architecture(plan: Plan) -> Iterator[Finding]:
    new = plan.value("Architecture")
    old = None if plan.creates else plan.deployed.parameters.get("Architecture")
    if old and old != new:
        yield Finding(NOTE, f"the architecture changes from {old} to {new}, as the stage file says")
    else:
        yield Finding(OK, f"architecture {new}")


def _identity(plan: Plan) -> Iterator[Finding]:
    name = plan.value("EmailIdentity")
    wanted = plan.value("CreateEmailIdentity") == "true"
    is_ours = not plan.creates and plan.deployed.parameters.get("CreateEmailIdentity") == "true" \
        and plan.deployed.parameters.get("EmailIdentity") == name
    if not name:
        return
    if wanted and "@" in name:
        yield Finding(STOP, "CreateEmailIdentity = true is for domains: create the address with `aws sesv2 "
                            f"create-email-identity --email-identity {name}`, follow the link that SES sends, set it to false")
        return
    ses = plan.account.client("sesv2")
    try:
        identity = ses.get_email_identity(EmailIdentity=name)
    except ses.exceptions.NotFoundException:
        if wanted and not is_ours:
            yield Finding(OK, f"SES identity {name} does not exist: it will be created, and stays if the stack is deleted")
        else:
            yield Finding(STOP, f"SES identity {name} does not exist in {plan.account.region}: create and verify it, or "
                                "set CreateEmailIdentity = true")
        return
    if wanted and not is_ours:
        yield Finding(STOP, f"SES identity {name} exists already and cannot be created: set CreateEmailIdentity = false")
    elif identity.get("VerifiedForSendingStatus"):
        yield Finding(OK, f"SES identity {name} is verified")
    else:
        yield Finding(NOTE, f"SES identity {name} is not verified, so no e-mail can be sent yet{_how_to_verify(name, identity)}")


def _how_to_verify(name: str, identity: dict) -> str:
    if "@" in name:
        return ": follow the link in the e-mail that SES sent to it"
    tokens = identity.get("DkimAttributes", {}).get("Tokens", [])
    records = [f"\n          {token}._domainkey.{name}. CNAME {token}.dkim.amazonses.com." for token in tokens]
    return f": publish its DNS records{''.join(records)}"


def _sending(plan: Plan) -> Iterator[Finding]:
    limits = plan.account.client("sesv2").get_account()
    rate, day = limits["SendQuota"]["MaxSendRate"], limits["SendQuota"]["Max24HourSend"]
    if not limits.get("SendingEnabled", True):
        yield Finding(NOTE, "SES has paused sending for this account: see the SES console")
    if not limits.get("ProductionAccessEnabled", False):
        yield Finding(NOTE, "SES sandbox: only verified recipients get e-mails; request production access in the console")
    if float(plan.value("EmailsPerSecond")) > rate:
        yield Finding(NOTE, f"EmailsPerSecond is {plan.value('EmailsPerSecond')}, SES allows {rate:g}: lower it, or have the "
                            "quota raised")
    else:
        yield Finding(OK, f"SES allows {rate:g} e-mails a second, {day:g} a day")


def _concurrency(plan: Plan) -> Iterator[Finding]:
    used = {"Recorder": int(plan.value("RecorderMaximumConcurrency")), **BESIDE_THE_RECORDER}
    reserved = {name: int(plan.value(f"{name}ReservedConcurrency")) for name in used}
    had = 0 if plan.creates else sum(int(plan.deployed.parameters.get(f"{name}ReservedConcurrency", 0)) for name in used)
    limit = plan.account.client("lambda").get_account_settings()["AccountLimit"]
    # What the stack has reserved is not among the unreserved.
    available = limit["UnreservedConcurrentExecutions"] + had - sum(reserved.values())
    wanted = sum(most for name, most in used.items() if not reserved[name])
    if sum(reserved.values()) > had and available < UNRESERVED:
        yield Finding(NOTE, f"{available} of Lambda's concurrent invocations would remain unreserved, but it keeps {UNRESERVED}: "
                            "reserve fewer, or raise the quota `Concurrent executions` (L-B99A9384)")
    for name, most in used.items():
        if 0 < reserved[name] < most:
            yield Finding(NOTE, f"{name}ReservedConcurrency is {reserved[name]}, but the function may use {most}: raise it")
    if wanted > available:
        yield Finding(NOTE, f"Lambda allows {available} concurrent invocations, the functions may use {wanted}: lower "
                            "RecorderMaximumConcurrency, or raise the quota `Concurrent executions` (L-B99A9384)")
    else:
        yield Finding(OK, f"Lambda allows {available} concurrent invocations, the functions may use {wanted}")


def _live_versions(plan: Plan) -> Iterator[Finding]:
    found = [] if plan.creates else rollout.aliases(plan.account, resources(plan.account, plan.stage.stack))
    behind = [one for one in found if one.version != one.deployed]
    if not behind:
        return
    names = ", ".join(f"{one.function} at version {one.version}, not {one.deployed}" for one in behind)
    # What CodeDeploy then takes for the former version is not documented.
    gradual = '; set Rollout = "AllAtOnce" for it, because CodeDeploy did not move them' if _is_gradual(plan) else ""
    yield Finding(NOTE, f"rolled back: {names}: this deployment goes forward{gradual}")


def _ringing(plan: Plan) -> Iterator[Finding]:
    if plan.creates or not _is_gradual(plan):
        return
    cloudwatch = plan.account.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNamePrefix=f"{plan.stage.stack}-", StateValue="ALARM")["MetricAlarms"]
    if found:
        names = ", ".join(one["AlarmName"] for one in found)
        yield Finding(NOTE, f"{names} rings: CodeDeploy takes a function back whose alarm rings, for whatever reason: remove the "
                            'cause first, or set Rollout = "AllAtOnce"')


def _is_gradual(plan: Plan) -> bool:
    return plan.value("Rollout") != "AllAtOnce"


def _earlier_tables(plan: Plan) -> Iterator[Finding]:
    """Tables that an earlier stack of this name left. CloudFormation names them after stack and logical id."""
    if not plan.creates:
        return
    # A failed creation deletes its tables, so those found here are older.
    names = plan.account.client("dynamodb").get_paginator("list_tables").paginate().search("TableNames[]")
    names = list(names)
    for logical, parameter in (("StreamsTable", "ExistingStreamsTable"), ("LeadsTable", "ExistingLeadsTable")):
        earlier = [name for name in names if name.startswith(f"{plan.stage.stack}-{logical}-")]
        if earlier and not plan.value(parameter):
            yield Finding(
                NOTE if plan.accepts_new_tables else STOP,
                f"an earlier stack left {', '.join(earlier)}: set {parameter} = \"{earlier[0]}\" to take it up, or pass "
                "NEW_TABLES=1 to begin empty (events that are posted again then cause their e-mails again)",
            )
    if bool(plan.value("ExistingStreamsTable")) != bool(plan.value("ExistingLeadsTable")):
        yield Finding(STOP, "only one existing table is given: take up ExistingStreamsTable and ExistingLeadsTable together")


def _existing_tables(plan: Plan) -> Iterator[Finding]:
    dynamodb = plan.account.client("dynamodb")
    for parameter, (key, indexes) in KEYS.items():
        name = plan.value(parameter)
        if not name:
            continue
        try:
            table = dynamodb.describe_table(TableName=name)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException:
            yield Finding(STOP, f"{parameter} {name} does not exist in {plan.account.region}: correct the name or the region")
            continue
        wrong = False
        if tuple(part["AttributeName"] for part in table["KeySchema"]) != key:
            wrong = True
            yield Finding(STOP, f"{parameter} {name} has another key: it must be {' and '.join(key)}")
        missing = indexes - {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
        if missing:
            wrong = True
            yield Finding(STOP, f"{parameter} {name} lacks the index {', '.join(sorted(missing))}: restore it with its indexes")
        if table["TableStatus"] != "ACTIVE":
            wrong = True
            yield Finding(STOP, f"{parameter} {name} is {table['TableStatus']}: wait until it is ACTIVE")
        if parameter == "ExistingStreamsTable" and not _has_feed(table):
            wrong = True
            yield Finding(STOP, f"{name} has no change feed of keys only: run `aws dynamodb update-table --table-name {name} "
                                "--stream-specification StreamEnabled=true,StreamViewType=KEYS_ONLY`")
        if not table.get("DeletionProtectionEnabled"):
            yield Finding(NOTE, f"{name} is not protected: run `aws dynamodb update-table --table-name {name} "
                                "--deletion-protection-enabled`")
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
            yield Finding(NOTE, f"{name} cannot be restored: run `aws dynamodb update-continuous-backups --table-name {name} "
                                "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`")
        if not wrong:
            yield Finding(OK, f"{parameter} {name} is taken up ({table.get('ItemCount', 0)} items when last counted)")


def _has_feed(table: dict) -> bool:
    feed = table.get("StreamSpecification", {})
    return bool(feed.get("StreamEnabled")) and feed.get("StreamViewType") == "KEYS_ONLY"


def _alarms(plan: Plan) -> Iterator[Finding]:
    topic = plan.value("AlarmTopicArn")
    if not topic:
        yield Finding(NOTE, "alarms notify no one: set AlarmTopicArn (docs/deploying.md)")
        return
    sns = plan.account.client("sns")
    try:
        attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    except (sns.exceptions.NotFoundException, sns.exceptions.InvalidParameterException):
        yield Finding(STOP, f"AlarmTopicArn {topic} does not exist in {plan.account.region}: correct it or create the topic")
        return
    if attributes.get("SubscriptionsConfirmed", "0") == "0":
        yield Finding(NOTE, f"{topic} has no confirmed subscription: alarms notify no one yet")
    else:
        yield Finding(OK, f"alarms notify {topic}")
