"""Takes every safety setting out of the template in turn, or weakens it, and expects our rules to object.

Settings are not listed here but found in the template: everything counts as a safety setting unless `NOT_SAFETY` says
otherwise. So a new setting must either be guarded by a rule or be named here.
"""

import copy
import logging
import unittest
from collections.abc import Iterator

from resolve import HARDENED, KEY_TEMPLATE, TEMPLATE, load, resolved, transformed
from rules import findings

# What is not a safety setting, by type and for all types.
NOT_SAFETY = {
    # Names and descriptions.
    "*": {"Type", "Description", "Sid", "Version", "Tags", "Metadata"},
    # tests/template/alarms.rs compares alarms with the code.
    "AWS::CloudWatch::Alarm": {"Properties"},
    # tests/template/dashboard.rs and queries.rs compare them with the code.
    "AWS::CloudWatch::Dashboard": {"Properties"},
    "AWS::Logs::QueryDefinition": {"Properties"},
    # tests/template/storage.rs compares keys and indexes with the code; without a feed there is no mapping.
    "AWS::DynamoDB::Table": {
        "TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "StreamSpecification"},
    # tests/template/functions.rs compares variables with the code.
    "AWS::Lambda::Function": {
        "Architectures", "Code", "Environment", "FunctionName", "Handler", "MemorySize", "PackageType", "Runtime"},
    "AWS::Lambda::EventSourceMapping": {
        "EventSourceArn", "FunctionName", "MaximumBatchingWindowInSeconds", "ParallelizationFactor"},
    "AWS::Lambda::EventInvokeConfig": {"DependsOn", "FunctionName"},
    "AWS::Lambda::Version": {"FunctionName"},
    "AWS::Lambda::Alias": {"FunctionName", "FunctionVersion"},
    "AWS::CodeDeploy::Application": {"ComputePlatform"},
    "AWS::CodeDeploy::DeploymentGroup": {"ApplicationName", "DeploymentStyle"},
    "AWS::Lambda::Permission": {"Action", "FunctionName", "Principal"},
    "AWS::Events::Rule": {"ScheduleExpression", "Id"},
    "AWS::IAM::Role": {"Path", "PolicyName"},
    "AWS::IAM::Policy": {"PolicyName"},
    "AWS::SES::ConfigurationSet": {"Name"},
    "AWS::SES::ConfigurationSetEventDestination": {"Name"},
    "AWS::SES::EmailIdentity": {"EmailIdentity"},
    "AWS::SNS::Topic": {"TopicName"},
    "AWS::SNS::Subscription": {"Protocol"},
    "AWS::KMS::Key": set(),
}
# What CloudFormation or the service requires, so that cfn-lint refuses a template without it.
REQUIRED = {
    "Properties", "PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "Statement", "Effect", "Action",
    "Resource", "Principal", "Queues", "Topics", "TopicArn", "EventDestination", "AttributeName", "KeyType", "Arn",
}
# Deleting a grant only takes rights away, which the deployed tests notice. Widening one is a mutation of its own.
GRANTS = {"Policies", "Roles", "PolicyDocument"}


def settings(node, kind: str, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all settings in a resource."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key in NOT_SAFETY["*"] | NOT_SAFETY.get(kind, set()) or str(key).startswith(("Fn::", "Ref")):
            continue
        yield (*path, key)
        if key not in ("Principal", "Action", "Resource"):
            yield from settings(value, kind, (*path, key))


def is_grant(kind: str, path: tuple) -> bool:
    """Whether a path is a part of what a role is granted, other than a condition."""
    return kind.startswith("AWS::IAM::") and any(key in GRANTS for key in path) and "Condition" not in path


def weaker(kind: str, path: tuple, value) -> Iterator[tuple[str, object]]:
    """The mutations of a setting: what happens to it, and its new value; `None` takes it out."""
    key = path[-1]
    if key not in REQUIRED and not is_grant(kind, path):
        yield "taken out", None
    if isinstance(value, bool):
        yield "switched", not value
    elif isinstance(value, int):
        yield "made huge", 10**6
        if value:
            yield "made zero", 0
    elif value == "Deny":
        yield "allowed", "Allow"
    elif kind.startswith("AWS::IAM::") and "AssumeRolePolicyDocument" not in path:
        if key == "Resource" and value != "*":
            yield "widened", "*"
        if key == "Action":
            yield "widened", "*"
    elif key == "Principal" and value != "*":
        yield "widened", {"AWS": "*"}


def mutants(template: dict) -> Iterator[tuple[str, dict]]:
    """The template with each setting weakened in turn, and what was done to it."""
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        for path in settings(resource, kind):
            value = resource
            for key in path:
                value = value[key]
            for how, new in weaker(kind, path, value):
                mutant = copy.deepcopy(resource)
                parent = mutant
                for key in path[:-1]:
                    parent = parent[key]
                if new is None:
                    del parent[path[-1]]
                else:
                    parent[path[-1]] = new
                what = f"{name}/{'/'.join(map(str, path))} {how}"
                yield what, {**template, "Resources": {**template["Resources"], name: mutant}}


class EverySafetySetting(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.disable(logging.WARNING)
        cls.default = resolved(transformed(load(TEMPLATE)))
        cls.hardened = resolved(transformed(load(TEMPLATE), HARDENED), HARDENED)
        cls.key = resolved(load(KEY_TEMPLATE), HARDENED)

    def expect_objections(self, template: dict, hardened: bool, at_least: int):
        self.assertEqual(findings(template, hardened), [])
        tried, kept = 0, []
        for what, mutant in mutants(template):
            tried += 1
            if not findings(mutant, hardened):
                kept.append(what)
        self.assertFalse(kept, "no rule objects to these:\n" + "\n".join(kept))
        # Guards against a walk that finds nothing.
        self.assertGreater(tried, at_least)

    def test_is_guarded_by_default(self):
        self.expect_objections(self.default, hardened=False, at_least=250)

    def test_is_guarded_with_all_protections(self):
        self.expect_objections(self.hardened, hardened=True, at_least=300)

    def test_is_guarded_for_the_key(self):
        self.expect_objections(self.key, hardened=True, at_least=20)

    def test_is_not_lost_with_its_resource(self):
        for name, resource in self.hardened["Resources"].items():
            if resource["Type"] in (
                "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription", "AWS::Logs::LogGroup",
                "AWS::Lambda::EventInvokeConfig",
            ):
                rest = {other: one for other, one in self.hardened["Resources"].items() if other != name}
                with self.subTest(name):
                    self.assertTrue(findings({**self.hardened, "Resources": rest}, hardened=True))

    def test_is_not_lost_by_a_default(self):
        source = transformed(load(TEMPLATE))
        for parameter, value in {"DeletionProtection": "false", "OfferEventsVisibilityTimeout": 30}.items():
            with self.subTest(parameter):
                self.assertTrue(findings(resolved(source, {parameter: value})))


if __name__ == "__main__":
    unittest.main()
