"""Makes Lambda publish a version of a function exactly when something about it changes.

A version contains code and settings, and the alias `live` names one. SAM decides by the template's text whether a new
version is due, so that a changed parameter would reach `$LATEST` only (aws/serverless-application-model#3820). And Lambda
refuses to publish a version that differs from the last one in nothing that a version contains (#3281). Therefore each
function's description gets a digest of everything that a version depends on. A description belongs to a version (AWS CDK,
`packages/aws-cdk-lib/aws-lambda/lib/function-hash.ts`, `VERSION_LOCKED`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator

from deploy.template import with_tags

FUNCTION = re.compile(r"^(?P<start> *Description: )(?P<text>.*)\n(?P<code> *CodeUri: *(?P<uri>\S+)) *$", re.MULTILINE)
# What SAM takes out of a function's properties. It decides how a version is rolled out, not what it contains.
NOT_OF_A_VERSION = ("DeploymentPreference",)


def stamped(body: str, value: Callable[[str], str]) -> str:
    """The template with a digest in each function's description. `value` gives a parameter's value."""
    template = with_tags(body)
    functions = {
        resource["Properties"]["CodeUri"]: name for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    def with_digest(function: re.Match) -> str:
        digest = _digest(template, functions[function["uri"]], value)
        return f"{function['start']}{function['text']} [{digest}]\n{function['code']}"

    return FUNCTION.sub(with_digest, body)


def _digest(template: dict, function: str, value: Callable[[str], str]) -> str:
    """Of a function, the resources that it names, and the conditions and parameters that these use.

    Resources count because a version keeps the name of a role or table that a deployment replaces.
    """
    resources, conditions = template["Resources"], template.get("Conditions", {})
    own = {key: one for key, one in resources[function]["Properties"].items() if key not in NOT_OF_A_VERSION}
    parts = {function: own, "Globals": template.get("Globals", {})}
    parts |= {name: resources[name] for name in _words(own) if name in resources}
    while more := {name for name in _words(parts) if name in conditions} - parts.keys():
        parts |= {name: conditions[name] for name in more}
    parameters = {name: value(name) for name in _words(parts) if name in template["Parameters"]}
    return hashlib.sha256(json.dumps([parts, parameters], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _words(node) -> set[str]:
    """The words in all texts of a part of a template, among them every name to which it refers."""
    return set(re.findall(r"[A-Za-z0-9]+", " ".join(_texts(node))))


def _texts(node) -> Iterator[str]:
    match node:
        case dict():
            for one in node.values():
                yield from _texts(one)
        case list():
            for one in node:
                yield from _texts(one)
        case str():
            yield node
