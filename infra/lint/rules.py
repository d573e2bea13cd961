"""Our own rules for the template: what no public rule knows.

Each rule is a function of a resolved template that yields one sentence for each resource that breaks it. The rules hold
for every deployment, `HARDENED_RULES` for one with all optional protections.
"""

from collections.abc import Callable, Iterator

Template = dict
Rule = Callable[[Template], Iterator[str]]

TWO_WEEKS = 14 * 24 * 60 * 60
# The only actions that are allowed on every resource, because they know none.
ON_ANY_RESOURCE = [["dynamodb:ListStreams"], ["cloudwatch:GetMetricData"]]


def of_type(template: Template, kind: str) -> dict[str, dict]:
    """The resources of a type, by name."""
    return {name: one for name, one in template["Resources"].items() if one["Type"] == f"AWS::{kind}"}


def properties(template: Template, kind: str) -> list[tuple[str, dict]]:
    """The names and properties of the resources of a type."""
    return [(name, one.get("Properties", {})) for name, one in of_type(template, kind).items()]


def named(node) -> str:
    """The logical name of the resource to which a `Ref` or `Fn::GetAtt` points, or nothing."""
    match node:
        case {"Ref": name}:
            return name
        case {"Fn::GetAtt": [name, *_]}:
            return name
        case {"Fn::GetAtt": name}:
            return name.split(".")[0]
        case _:
            return ""


def behind_alias(template: Template, node) -> str:
    """The function to which a reference points, directly or by an alias."""
    alias = of_type(template, "Lambda::Alias").get(named(node))
    return named(alias["Properties"]["FunctionName"]) if alias else named(node)


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def statements(policy: dict) -> list[dict]:
    return listed(policy.get("Statement", []))


def granted(template: Template) -> Iterator[tuple[str, dict]]:
    """Every statement of every policy of a role, with the name of the resource that contains it."""
    for name, role in properties(template, "IAM::Role"):
        for policy in role.get("Policies", []):
            yield from ((name, one) for one in statements(policy["PolicyDocument"]))
    for name, policy in properties(template, "IAM::Policy"):
        yield from ((name, one) for one in statements(policy["PolicyDocument"]))


def mappings(template: Template, source: str) -> list[tuple[str, str, str, dict]]:
    """Name, source, function and properties of the event source mappings whose source has this type."""
    sources = of_type(template, source)
    found = [
        (name, named(one.get("EventSourceArn")), behind_alias(template, one.get("FunctionName")), one)
        for name, one in properties(template, "Lambda::EventSourceMapping")
    ]
    return [one for one in found if one[1] in sources]


def queues_are_encrypted_and_keep_messages_for_two_weeks(template):
    for name, queue in properties(template, "SQS::Queue"):
        if queue.get("SqsManagedSseEnabled") is not True and "KmsMasterKeyId" not in queue:
            yield f"{name} is not encrypted"
        if queue.get("MessageRetentionPeriod") != TWO_WEEKS:
            yield f"{name} does not keep messages for 14 days, the maximum"


def fifo_queues_order_and_deduplicate_per_buyer(template):
    for name, queue in properties(template, "SQS::Queue"):
        is_fifo = str(queue.get("QueueName")).endswith(".fifo")
        if not queue.get("QueueName"):
            yield f"{name} has no name"
        if is_fifo != queue.get("FifoQueue", False):
            yield f"{name}: FifoQueue and the ending .fifo do not agree"
        expected = ("messageGroup", "perMessageGroupId", False) if is_fifo else (None, None, None)
        if expected != tuple(
            queue.get(key) for key in ("DeduplicationScope", "FifoThroughputLimit", "ContentBasedDeduplication")
        ):
            yield f"{name} is not a high-throughput FIFO queue whose senders set the deduplication id"


def consumed_queues_set_aside_what_keeps_failing(template):
    queues = dict(properties(template, "SQS::Queue"))
    functions = dict(properties(template, "Lambda::Function"))
    for _, source, function, _ in mappings(template, "SQS::Queue"):
        queue = queues[source]
        redrive = queue.get("RedrivePolicy", {})
        target = named(redrive.get("deadLetterTargetArn"))
        if not (20 if queue.get("FifoQueue") else 5) <= redrive.get("maxReceiveCount", 0) <= 1000:
            yield f"{source}: SQS counts receives, not failures; its maxReceiveCount is missing or out of range"
        if target not in queues or queues[target].get("FifoQueue") != queue.get("FifoQueue"):
            yield f"{source} has no dead-letter queue of its own kind"
            continue
        allow = queues[target].get("RedriveAllowPolicy", {})
        if allow.get("redrivePermission") != "byQueue" or not [
            arn for arn in allow.get("sourceQueueArns", []) if str(arn).endswith(f":{queue.get('QueueName')}")
        ]:
            yield f"{target} does not name {source} as its only source"
        if not 6 * functions[function].get("Timeout", 3) <= queue.get("VisibilityTimeout", 30) <= 12 * 60 * 60:
            yield f"{source}: a visibility time-out is at least six times its function's (Lambda Developer Guide)"


def queue_mappings_return_single_messages_and_are_bounded(template):
    for name, _, _, mapping in mappings(template, "SQS::Queue"):
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: without ReportBatchItemFailures Lambda deletes messages that failed"
        if "FilterCriteria" in mapping:
            yield f"{name}: a filter on a queue deletes the messages that do not match"
        if not 2 <= mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0) <= 1000:
            yield f"{name} may use up the account's concurrency"
        if mapping.get("BatchSize") != 10:
            yield f"{name}: the batch size of a FIFO queue is 10"


def the_change_feed_loses_nothing_silently(template):
    expected = {
        "StartingPosition": "TRIM_HORIZON", "BisectBatchOnFunctionError": True, "BatchSize": 100,
        "FilterCriteria": {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]},
    }
    found = mappings(template, "DynamoDB::Table")
    if len(found) != 1:
        yield "exactly one mapping reads a change feed"
    for name, _, _, mapping in found:
        yield from (f"{name}: {key} must be {value}" for key, value in expected.items() if mapping.get(key) != value)
        if not 1 <= mapping.get("MaximumRetryAttempts", -1) <= 100:
            yield f"{name}: retries without end block a shard"
        if not 60 <= mapping.get("MaximumRecordAgeInSeconds", -1) <= 24 * 60 * 60:
            yield f"{name}: a record without an end of its age blocks a shard"
        if named(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")) not in of_type(
            template, "SQS::Queue"
        ):
            yield f"{name} does not report what Lambda gives up"


def tables_survive_and_can_be_restored(template):
    for name, table in of_type(template, "DynamoDB::Table").items():
        own = table["Properties"]
        if table.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate"):
            yield f"{name} is deleted with the stack"
        if table.get("UpdateReplacePolicy") != "Retain":
            yield f"{name} is deleted when a change replaces it"
        if own.get("DeletionProtectionEnabled") is not True:
            yield f"{name} can be deleted by mistake"
        if own.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
            yield f"{name} cannot be restored to a point in time"
        if own.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name} is not encrypted with a key of this account"
        if own.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} is throttled at a fixed capacity"
        if own.get("StreamSpecification", {}).get("StreamViewType", "KEYS_ONLY") != "KEYS_ONLY":
            yield f"{name}: its change feed contains personal data"


def functions_have_their_own_role_log_and_time_out(template):
    roles, logs = set(), set()
    for name, function in properties(template, "Lambda::Function"):
        role, log = named(function.get("Role")), named(function.get("LoggingConfig", {}).get("LogGroup"))
        if role not in of_type(template, "IAM::Role") or role in roles:
            yield f"{name} has no role of its own"
        if log not in of_type(template, "Logs::LogGroup") or log in logs:
            yield f"{name} has no log group of its own"
        if not 0 < function.get("Timeout", 0) <= 900:
            yield f"{name} has no time-out"
        roles.add(role)
        logs.add(log)


def logs_expire_and_end_with_the_stack(template):
    for name, log in of_type(template, "Logs::LogGroup").items():
        if not 0 < log["Properties"].get("RetentionInDays", 0) <= 3653:
            yield f"{name} keeps logs for ever"
        if (log.get("DeletionPolicy"), log.get("UpdateReplacePolicy")) != ("Delete", "Delete"):
            yield f"{name} must be deleted with the stack: a new stack could not create it again"
        if not log["Properties"].get("LogGroupName", "").startswith("/aws/lambda/"):
            yield f"{name} is outside the log groups that the key's policy names"


def queues_refuse_plain_http(template):
    covered = set()
    for name, policy in properties(template, "SQS::QueuePolicy"):
        for one in statements(policy["PolicyDocument"]):
            if (one.get("Effect"), one.get("Principal"), one.get("Action")) == ("Deny", "*", "sqs:*") and one.get(
                "Condition"
            ) == {"Bool": {"aws:SecureTransport": "false"}}:
                covered |= {named(queue) for queue in policy.get("Queues", []) if _covers(template, one, named(queue))}
    queues = of_type(template, "SQS::Queue")
    yield from (f"{name} accepts requests without TLS" for name in queues if name not in covered)


def _covers(template: Template, statement: dict, queue: str) -> bool:
    """Whether a statement applies to a queue, named directly or by a pattern that ends with an asterisk."""
    resource = statement.get("Resource")
    if isinstance(resource, str):
        name = str(of_type(template, "SQS::Queue")[queue]["Properties"].get("QueueName"))
        return resource.endswith("*") and name.startswith(resource[:-1].rpartition(":")[2])
    return named(resource) == queue


def resource_policies_allow_only_named_callers(template):
    for kind in ("SQS::QueuePolicy", "SNS::TopicPolicy"):
        for name, policy in properties(template, kind):
            for one in statements(policy["PolicyDocument"]):
                if one["Effect"] != "Allow":
                    continue
                principal, condition = one.get("Principal", "*"), one.get("Condition", {})
                keys = {key.lower() for test in ("ArnEquals", "StringEquals") for key in condition.get(test, {})}
                if "*" in str(principal):
                    yield f"{name} allows everyone"
                elif "Service" in principal and "aws:sourcearn" not in keys:
                    yield f"{name}: any account can use {principal['Service']} to pass (confused deputy)"
                if any(action.endswith("*") for action in listed(one["Action"])):
                    yield f"{name} allows more than is used"


def services_invoke_functions_only_from_one_resource(template):
    for name, permission in properties(template, "Lambda::Permission"):
        if not named(permission.get("SourceArn")):
            yield f"{name}: any account's rules can invoke the function"


def ses_events_arrive(template):
    topics = of_type(template, "SNS::Topic")
    policies = [
        (named(topic), one) for _, policy in properties(template, "SNS::TopicPolicy")
        for topic in policy["Topics"] for one in statements(policy["PolicyDocument"])
    ]
    for name in topics:
        if not [
            one for topic, one in policies
            if topic == name and one.get("Principal") == {"Service": "ses.amazonaws.com"}
            and "AWS:SourceAccount" in one.get("Condition", {}).get("StringEquals", {})
        ]:
            yield f"{name}: SES of this account only must be able to publish"
        subscriptions = [
            one for _, one in properties(template, "SNS::Subscription") if named(one.get("TopicArn")) == name]
        if len(subscriptions) != 1:
            yield f"{name} has no subscription"
        for one in subscriptions:
            dead = named(one.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
            for queue in (named(one.get("Endpoint")), dead):
                if queue not in of_type(template, "SQS::Queue") or queue not in _open_to_sns(template, name):
                    yield f"{name}: SNS may not send to the queue or to its dead-letter queue"
            if one.get("RawMessageDelivery") is not True:
                yield f"{name}: the body must be the SES event itself"
    for name, one in properties(template, "SES::ConfigurationSetEventDestination"):
        event = one.get("EventDestination", {})
        if len(event.get("MatchingEventTypes", [])) != 7 or "ConfigurationSetName" not in one:
            yield f"{name} leaves out events that settle doubtful e-mails"
        if event.get("Enabled") is not True or named(event.get("SnsDestination", {}).get("TopicARN")) not in topics:
            yield f"{name} publishes to no topic"
    for name, one in of_type(template, "SES::ConfigurationSetEventDestination").items():
        if named({"Ref": one.get("DependsOn")}) not in of_type(template, "SNS::TopicPolicy"):
            yield f"{name}: SES publishes a test event at once, so the topic's policy must exist before"


def _open_to_sns(template: Template, topic: str) -> set[str]:
    """The queues to which this topic may send."""
    return {
        named(queue)
        for _, policy in properties(template, "SQS::QueuePolicy") for queue in policy["Queues"]
        for one in statements(policy["PolicyDocument"])
        if one["Effect"] == "Allow" and one["Principal"] == {"Service": "sns.amazonaws.com"}
        and named(one.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn")) == topic
        and _covers(template, one, named(queue))
    }


def mail_protects_the_sender_s_reputation(template):
    for name, one in properties(template, "SES::ConfigurationSet"):
        if sorted(one.get("SuppressionOptions", {}).get("SuppressedReasons", [])) != ["BOUNCE", "COMPLAINT"]:
            yield f"{name} sends to addresses that bounced or complained"
        if one.get("ReputationOptions", {}).get("ReputationMetricsEnabled") is not True:
            yield f"{name}: BounceRateAlarm and ComplaintRateAlarm have no metrics"
        if one.get("SendingOptions", {}).get("SendingEnabled") is not True:
            yield f"{name} sends nothing"


def functions_are_called_by_their_alias(template):
    aliases = of_type(template, "Lambda::Alias")
    callers = [(name, one.get("FunctionName")) for kind in ("Lambda::EventSourceMapping", "Lambda::Permission")
               for name, one in properties(template, kind)]
    callers += [(name, target.get("Arn")) for name, one in properties(template, "Events::Rule")
                for target in one.get("Targets", [])]
    for name, called in callers:
        if named(called) not in aliases:
            yield f"{name} names no alias, so a version could not be taken back"
    for name, alias in aliases.items():
        if alias["Properties"].get("Name") != "live":
            yield f"{name} has another name than `make rollback` and acceptance expect"
    for name, version in of_type(template, "Lambda::Version").items():
        if version.get("DeletionPolicy") != "Retain":
            yield f"{name} is deleted by the next deployment, so it could not be taken back"


def a_missed_sweep_is_not_repeated(template):
    for name, one in properties(template, "Lambda::EventInvokeConfig"):
        if one.get("Qualifier") != "live":
            yield f"{name} does not apply to the alias that the schedule calls"
        if one.get("MaximumRetryAttempts") != 0:
            yield f"{name}: Lambda would repeat a sweep beside the next one"
    invoked = {named(one.get("FunctionName")) for _, one in properties(template, "Lambda::EventInvokeConfig")}
    for name, rule in properties(template, "Events::Rule"):
        for target in rule.get("Targets", []):
            if target.get("RetryPolicy", {}).get("MaximumRetryAttempts") != 0:
                yield f"{name}: EventBridge would repeat a sweep beside the next one"
            if behind_alias(template, target.get("Arn")) not in invoked:
                yield f"{name}: Lambda would repeat a sweep beside the next one"
        if rule.get("State") != "ENABLED" or not rule.get("Targets"):
            yield f"{name} invokes nothing"


def roles_grant_single_actions_on_single_resources(template):
    for name, one in granted(template):
        actions, resources = listed(one["Action"]), listed(one["Resource"])
        if any("*" in action for action in actions):
            yield f"{name} grants a pattern of actions"
        if "*" in resources and actions not in ON_ANY_RESOURCE:
            yield f"{name} grants {', '.join(actions)} on every resource"
        senders = one.get("Condition", {}).get("StringLike", {}).get("ses:FromAddress", [])
        if "ses:SendEmail" in actions and "identity/*" in str(resources) and len(senders) != 2:
            yield f"{name}: e-mails come from EmailSender only, with or without its display name"
    for name, role in properties(template, "IAM::Role"):
        if "ManagedPolicyArns" in role:
            yield f"{name} grants what AWS may extend"


def roles_are_assumed_by_whom_they_are_for(template):
    rollout = {named(one.get("ServiceRoleArn")) for _, one in properties(template, "CodeDeploy::DeploymentGroup")}
    functions = {named(one.get("Role")) for _, one in properties(template, "Lambda::Function")}
    for name, role in properties(template, "IAM::Role"):
        trusted = [one.get("Principal") for one in statements(role["AssumeRolePolicyDocument"])]
        is_lambda = trusted == [{"Service": "lambda.amazonaws.com"}]
        is_codedeploy = trusted == [{"Service": "codedeploy.amazonaws.com"}]
        names = [str(who) for one in trusted if not is_lambda and not is_codedeploy for who in listed(one.get("AWS", "*"))]
        if (is_lambda, is_codedeploy) != (name in functions, name in rollout) or not trusted or "*" in names:
            yield f"{name} can be assumed by others than it is for"


def keys_rotate_and_survive(template):
    for name, key in of_type(template, "KMS::Key").items():
        own = key["Properties"]
        if (key.get("DeletionPolicy"), key.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name}: what it encrypted becomes unreadable when its stack is deleted"
        if own.get("EnableKeyRotation") is not True:
            yield f"{name} does not rotate"
        if own.get("PendingWindowInDays") != 30:
            yield f"{name}: its deletion can be undone for less than 30 days"
        names = {}
        for one in statements(own["KeyPolicy"]):
            principal = one["Principal"]
            (kind, who), = principal.items() if isinstance(principal, dict) else [("AWS", principal)]
            is_account = who == "arn:aws:iam::111122223333:root"
            condition = {key: value for test in one.get("Condition", {}).values() for key, value in test.items()}
            names[who.split(".")[0] if kind == "Service" else "account" if is_account else "others"] = [*condition]
            if is_account != (one.get("Action") == "kms:*"):
                yield f"{name}: exactly the policies of this account may administer it"
            if "*" in listed(who):
                yield f"{name}: everyone may use it"
        if names not in (KEY_USERS, {**KEY_USERS, "others": ["kms:ViaService"]}):
            yield f"{name}: its users and the conditions on them must be {KEY_USERS}"


# Who may use the key, and the condition on that (docs/adr/0024-one-key-of-the-customer.md).
KEY_USERS = {
    "account": [], "ses": ["kms:EncryptionContext:aws:sns:topicArn"], "sns": ["aws:SourceArn"],
    "logs": ["kms:EncryptionContext:aws:logs:arn"],
}


RULES: list[Rule] = [
    queues_are_encrypted_and_keep_messages_for_two_weeks, fifo_queues_order_and_deduplicate_per_buyer,
    consumed_queues_set_aside_what_keeps_failing, queue_mappings_return_single_messages_and_are_bounded,
    the_change_feed_loses_nothing_silently, tables_survive_and_can_be_restored,
    functions_have_their_own_role_log_and_time_out, logs_expire_and_end_with_the_stack, queues_refuse_plain_http,
    resource_policies_allow_only_named_callers, services_invoke_functions_only_from_one_resource, ses_events_arrive,
    mail_protects_the_sender_s_reputation, functions_are_called_by_their_alias, a_missed_sweep_is_not_repeated,
    roles_grant_single_actions_on_single_resources, roles_are_assumed_by_whom_they_are_for,
]


def everything_is_encrypted_with_the_key(template):
    places = {
        "SQS::Queue": ["KmsMasterKeyId"], "SNS::Topic": ["KmsMasterKeyId"], "Logs::LogGroup": ["KmsKeyId"],
        "Lambda::Function": ["KmsKeyArn"], "DynamoDB::Table": ["SSESpecification", "KMSMasterKeyId"],
    }
    for kind, path in places.items():
        for name, own in properties(template, kind):
            for key in path:
                own = own.get(key, {}) if isinstance(own, dict) else {}
            if not str(own).startswith("arn:aws:kms:"):
                yield f"{name} is not encrypted with the customer-managed key"
    for name, queue in properties(template, "SQS::Queue"):
        if "SqsManagedSseEnabled" in queue:
            yield f"{name}: a queue has one kind of encryption"
    for name, table in properties(template, "DynamoDB::Table"):
        if table.get("SSESpecification", {}).get("SSEType") != "KMS":
            yield f"{name}: a key needs the type KMS"


def every_role_can_use_the_key_through_tables_and_queues_only(template):
    services = {"dynamodb.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com"}
    rollout = {named(one.get("ServiceRoleArn")) for _, one in properties(template, "CodeDeploy::DeploymentGroup")}
    may: dict[str, set[str]] = {name: set() for name in of_type(template, "IAM::Role") if name not in rollout}
    for name, policy in properties(template, "IAM::Policy"):
        for one in statements(policy["PolicyDocument"]):
            if not any(action.startswith("kms:") for action in listed(one["Action"])):
                continue
            if set(one.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", [])) != services:
                yield f"{name} lets a role use the key for other things than tables and queues"
            for role in policy.get("Roles", []):
                may.setdefault(named(role), set()).update(listed(one["Action"]))
    for name, actions in may.items():
        sends = any("sqs:SendMessage" in listed(one["Action"]) for role, one in granted(template) if role == name)
        if actions != {"kms:Decrypt"} | ({"kms:GenerateDataKey"} if sends else set()):
            yield f"{name} must be able to decrypt with the key and, only if it sends to a queue, to make data keys"


def roles_have_the_boundary(template):
    for name, role in properties(template, "IAM::Role"):
        if "PermissionsBoundary" not in role:
            yield f"{name} has no permissions boundary"


def functions_reserve_concurrency(template):
    for name, function in properties(template, "Lambda::Function"):
        if not 0 < function.get("ReservedConcurrentExecutions", 0) <= 1000:
            yield f"{name} reserves no concurrency"


def a_new_version_is_taken_back_when_an_alarm_rings(template):
    groups, alarms = of_type(template, "CodeDeploy::DeploymentGroup"), of_type(template, "CloudWatch::Alarm")
    for name, alias in of_type(template, "Lambda::Alias").items():
        policy = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        group = groups.get(named(policy.get("DeploymentGroupName")), {}).get("Properties", {})
        watched = group.get("AlarmConfiguration", {})
        names = {named(one.get("Name")) for one in watched.get("Alarms", [])}
        wanted = ROLLOUT_ALARMS.get(behind_alias(template, {"Ref": name}), set())
        if watched.get("Enabled") is not True or names != wanted or not wanted <= alarms.keys():
            yield f"{name} is moved without regard to all of {', '.join(sorted(wanted))}"
        if watched.get("IgnorePollAlarmFailure"):
            yield f"{name} is moved although the alarms are unknown"
        back = group.get("AutoRollbackConfiguration", {})
        if back.get("Enabled") is not True or len(back.get("Events", [])) != 3:
            yield f"{name} is not moved back"
        if "Canary" not in str(group.get("DeploymentConfigName")):
            yield f"{name} is moved at once"
        if named(group.get("ServiceRoleArn")) not in of_type(template, "IAM::Role"):
            yield f"{name} is moved with a role that is not ours"
        if named(policy.get("ApplicationName")) not in of_type(template, "CodeDeploy::Application"):
            yield f"{name} is moved by no application"


def other_accounts_reach_their_queue(template):
    allowed = {
        (named(queue), action)
        for _, policy in properties(template, "SQS::QueuePolicy") for queue in policy["Queues"]
        for one in statements(policy["PolicyDocument"]) if one["Effect"] == "Allow" and "AWS" in one["Principal"]
        for action in listed(one["Action"])
    }
    expected = {("OfferEvents", "sqs:SendMessage")} | {
        ("SalesTeam", f"sqs:{action}")
        for action in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")
    }
    yield from (f"other accounts: {queue} {action} is missing or too much" for queue, action in allowed ^ expected)


def other_accounts_can_use_the_key(template):
    for name, key in properties(template, "KMS::Key"):
        if not [one for one in statements(key["KeyPolicy"]) if one.get("Sid") == "OtherAccountsThroughQueues"]:
            yield f"{name}: other accounts cannot use the queues that it encrypts"


# The alarms that a bad version of a function makes ring.
ROLLOUT_ALARMS = {
    "Recorder": {"RecorderErrorsAlarm", "DeadLettersAlarm", "MessagesReturnedAlarm"},
    "Reactor": {"ReactorErrorsAlarm", "ReactorLagAlarm", "ReactorFailuresAlarm"},
    "Sweeper": {"SweeperErrorsAlarm", "WorkUnreadableAlarm"},
    "Receipts": {"ReceiptsErrorsAlarm", "EmailReceiptsDeadLettersAlarm"},
}


HARDENED_RULES: list[Rule] = [
    everything_is_encrypted_with_the_key, every_role_can_use_the_key_through_tables_and_queues_only,
    roles_have_the_boundary, functions_reserve_concurrency, a_new_version_is_taken_back_when_an_alarm_rings,
    other_accounts_reach_their_queue,
]
KEY_RULES, HARDENED_KEY_RULES = [keys_rotate_and_survive], [other_accounts_can_use_the_key]


def findings(template: Template, hardened: bool = False) -> list[str]:
    """Every sentence of every rule for a template, which is that of a stack or that of its key."""
    is_key = not of_type(template, "Lambda::Function")
    always, with_protections = (KEY_RULES, HARDENED_KEY_RULES) if is_key else (RULES, HARDENED_RULES)
    rules = always + (with_protections if hardened else [])
    return [f"{rule.__name__}: {sentence}" for rule in rules for sentence in rule(template)]
