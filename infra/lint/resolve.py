"""The template as CloudFormation sees it: transformed by SAM, with the values of its parameters.

References between resources stay; `concrete` replaces them in a policy by ARNs of an example account.
"""

import copy
import os
import re
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
KEY_TEMPLATE = TEMPLATE.with_name("key.yaml")

ACCOUNT, REGION = "111122223333", "eu-west-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::StackName": "leadstream",
    "AWS::URLSuffix": "amazonaws.com",
}
# Parameters without a default.
REQUIRED = {
    "EmailSender": "Cars <offers@example.com>", "EmailIdentity": "example.com", "SiteUrl": "https://example.com",
    "Stack": "leadstream",
}
# Every optional protection at once.
HARDENED = {
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "OfferSystemPrincipals": "444455556666",
    "SalesTeamPrincipals": "arn:aws:iam::777788889999:role/sales",
    "OperatorPrincipals": f"arn:aws:iam::{ACCOUNT}:role/operators,{ACCOUNT}",
    "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "RecorderReservedConcurrency": 50, "ReactorReservedConcurrency": 20, "SweeperReservedConcurrency": 1,
    "ReceiptsReservedConcurrency": 5,
    "AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms",
    "LogRetention": 365,
    "Rollout": "Canary10Percent5Minutes",
    # Not a protection, but the recorder gets a policy of its own for it.
    "LegacyAuthorizationSecret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:leadstream/legacy-AbCdEf",
    # Of key.yaml.
    "OtherAccounts": "444455556666",
}
# A stack that uses the tables of an earlier one. A feed's label is a time, but parliament accepts no colons there.
TAKEN_UP = {
    "ExistingStreamsTable": "earlier-streams", "ExistingChangeFeed": "label", "ExistingLeadsTable": "earlier-leads",
}
NOTHING = object()


def load(path: Path) -> dict:
    """A template, with short tags such as `!Ref` written out."""
    return yaml_parse(path.read_text())


def transformed(template: dict, given: dict | None = None) -> dict:
    """The template after SAM's transform, which knows these values of parameters."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The transform accepts only code that has been uploaded.
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    return transform(template, {"Rollout": (given or {}).get("Rollout", "AllAtOnce")}, _NoManagedPolicies())


class _NoManagedPolicies:
    def load(self) -> dict:
        return {}


def resolved(template: dict, given: dict | None = None) -> dict:
    """The template with these values of parameters: conditions decided, absent resources and properties removed."""
    values = {name: one["Default"] for name, one in template["Parameters"].items() if "Default" in one}
    values |= {name: value for name, value in REQUIRED.items() if name in template["Parameters"]}
    values |= {name: value for name, value in (given or {}).items() if name in template["Parameters"]}
    conditions = template.get("Conditions", {})

    def is_true(name: str) -> bool:
        return value(conditions[name])

    def value(node):
        if isinstance(node, list):
            return [one for one in map(value, node) if one is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (key, argument), = node.items()
            match key:
                case "Ref" if argument == "AWS::NoValue":
                    return NOTHING
                case "Ref":
                    return values.get(argument, PSEUDO.get(argument, node))
                case "Condition" if isinstance(argument, str):
                    return is_true(argument)
                case "Fn::FindInMap":
                    of, first, second = value(argument)
                    return template["Mappings"][of][first][second]
                case "Fn::If":
                    return value(argument[1] if is_true(argument[0]) else argument[2])
                case "Fn::Equals":
                    left, right = map(value, argument)
                    return str(left) == str(right)
                case "Fn::Not":
                    return not value(argument[0])
                case "Fn::And" | "Fn::Or":
                    return (all if key == "Fn::And" else any)(value(one) for one in argument)
                case "Fn::Join":
                    parts = value(argument[1])
                    return argument[0].join(parts) if all(isinstance(one, str) for one in parts) else {
                        key: [argument[0], parts]}
                case "Fn::Split":
                    text = value(argument[1])
                    return text.split(argument[0]) if isinstance(text, str) else {key: [argument[0], text]}
                case "Fn::Select":
                    parts = value(argument[1])
                    return parts[int(argument[0])] if isinstance(parts, list) else {key: [argument[0], parts]}
                case "Fn::Sub":
                    text, own = (argument, {}) if isinstance(argument, str) else (argument[0], value(argument[1]))
                    # A variable that stands for a resource's name.
                    own = {name: f"${{{one['Ref']}}}" if isinstance(one, dict) else one for name, one in own.items()}
                    known = {name: one for name, one in (PSEUDO | values | own).items() if isinstance(one, (str, int))}
                    text = re.sub(r"\$\{([\w:]+)\}", lambda name: str(known.get(name[1], name[0])), text)
                    return {key: text} if "${" in text else text
        parts = {key: value(part) for key, part in node.items()}
        return {key: part for key, part in parts.items() if part is not NOTHING}

    resources = {
        name: value({key: part for key, part in resource.items() if key != "Condition"})
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or is_true(resource["Condition"])
    }
    outputs = {
        name: value({key: part for key, part in output.items() if key != "Condition"})
        for name, output in template.get("Outputs", {}).items()
        if "Condition" not in output or is_true(output["Condition"])
    }
    return {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"], "Description": template["Description"],
        "Resources": resources, **({"Outputs": outputs} if outputs else {}),
    }


# ARNs of resources by type, in which the logical name stands for the name.
ARNS = {
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
}


def concrete(template: dict, node):
    """A part of a resolved template in which references to resources are replaced by names and ARNs."""

    def named(reference: str) -> str:
        name, _, attribute = reference.partition(".")
        kind = template["Resources"][name]["Type"]
        if not attribute and kind != "AWS::SNS::Topic":
            return name
        arn = ARNS[kind].format(region=REGION, account=ACCOUNT, name=name)
        return f"{arn}/stream/label" if attribute == "StreamArn" else arn

    if isinstance(node, list):
        return [concrete(template, one) for one in node]
    if not isinstance(node, dict):
        return node
    match node:
        case {"Ref": reference}:
            return named(reference)
        case {"Fn::GetAtt": reference}:
            return named(reference if isinstance(reference, str) else ".".join(reference))
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w.]+)\}", lambda reference: named(reference[1]), text)
        case _:
            return {key: concrete(template, part) for key, part in node.items()}
