#!/usr/bin/env python3
"""Checks template.yaml and key.yaml with public rules and our own.

The tools see the sources and what CloudFormation makes of them: with the defaults of all parameters, with every
optional protection, and on the tables of an earlier stack. Everything that they find is printed, and fails, unless `SUPPRESSED` or `OPTIONAL` has its kind. An
entry that suppresses nothing fails too.
"""

import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

# parliament uses a part of setuptools that is being removed; setuptools is pinned.
warnings.filterwarnings("ignore", module="parliament")

from cloudsplaining.scan.policy_document import PolicyDocument
from parliament import analyze_policy_string
from samtranslator.model.exceptions import InvalidDocumentException

from resolve import HARDENED, KEY_TEMPLATE, REGION, TAKEN_UP, TEMPLATE, concrete, load, resolved, transformed
from rules import findings, granted, listed, properties

TOOLS = Path(sys.executable).parent
SYSTEM = {"Darwin": "macos"}.get(platform.system(), "ubuntu")
MACHINE = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
GUARD = TOOLS.parent / "cfn-guard"
ENVIRONMENT = os.environ | {"AWS_DEFAULT_REGION": REGION, "LOG_LEVEL": "ERROR"}

# Kinds of findings that never count, with the reason.
SUPPRESSED = {
    "No dead-letter queue: these queues are dead-letter queues or have a consumer of another team; SQS mappings have "
    "none but the queue's; the change feed has ReactorFailures; a missed sweep is replaced by the next one.": [
        "CKV_AWS_116", "ES6000", "ES1001", "ES1007", "ES4000", "sqs_dlq_check"],
    "No VPC: the functions call only AWS's public endpoints and the former system, over TLS.": [
        "CKV_AWS_117", "lambda_inside_vpc_check"],
    "The rule expects a log group of the function's default name; ours are named by LoggingConfig.": ["WS1004"],
    "X-Ray costs money; the functions' spans go to the collector at `TracesUrl` instead.": ["WS1000"],
    "Parliament's model of SES v2 lacks configuration sets (Service Authorization Reference, Amazon SES v2).": [
        "RESOURCE_MISMATCH ses:SendEmail"],
}
# Kinds of findings that a parameter answers: they may occur with the defaults, but not with all protections.
OPTIONAL = {
    "KmsKeyArn": [
        "CKV_AWS_26", "CKV_AWS_27", "CKV_AWS_119", "CKV_AWS_158", "CKV_AWS_173", "cloudwatch_log_group_encrypted_check",
    ],
    "…ReservedConcurrency": ["CKV_AWS_115"],
    "AlarmTopicArn": ["cloudwatch_alarm_action_check"],
    "LogRetention": ["cloudwatch_log_group_retention_period_check"],
}


class Finding(NamedTuple):
    """What a tool says about a file."""

    kind: str
    where: str
    text: str


class ToolFailed(Exception):
    """A tool could not do its work; the message has its output."""


def run(*command: str | Path, codes: tuple[int, ...]) -> str:
    """The output of a tool that ends with one of these codes."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
    if done.returncode not in codes:
        raise ToolFailed(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def cfn_lint(files: list[Path], *options: str) -> Iterator[Finding]:
    """cfn-lint; its code is a bit for each level of its findings."""
    codes = (0, 2, 4, 6, 8, 10, 12, 14)
    for one in json.loads(run(TOOLS / "cfn-lint", *options, "--format", "json", "-t", *files, codes=codes)):
        line = one["Location"]["Start"]["LineNumber"]
        yield Finding(one["Rule"]["Id"], f"{Path(one['Filename']).name}:{line}", one["Message"])


def checkov(files: list[Path]) -> Iterator[Finding]:
    """checkov, which must have read every file."""
    options = ["--framework", "cloudformation", "--skip-download", "--compact", "--output", "json"]
    data = (part for file in files for part in ("--file", file))
    answer = json.loads(run(TOOLS / "checkov", *data, *options, codes=(0, 1)))
    if answer["summary"]["parsing_errors"] or answer["summary"]["passed"] == 0:
        raise ToolFailed(f"checkov did not understand a template: {answer['results']['parsing_errors']}")
    for one in answer["results"]["failed_checks"]:
        yield Finding(one["check_id"], f"{Path(one['file_path']).name} {one['resource']}", one["check_name"])


def cfn_guard(files: list[Path]) -> Iterator[Finding]:
    """cfn-guard with AWS Control Tower's rules."""
    data = (part for file in files for part in ("--data", file))
    rules = GUARD / "rules" / "control-tower" / "cfn-guard"
    program = GUARD / "bin" / SYSTEM / MACHINE / "cfn-guard"
    answer = json.loads(run(
        program, "validate", *data, "--rules", rules, "--structured", "-o", "json", "-S", "none", codes=(0, 19)))
    if len(answer) != len(files) or not all(one["compliant"] for one in answer):
        raise ToolFailed(f"cfn-guard did not apply its rules: {answer}")
    for file in answer:
        for one in file["not_compliant"]:
            rule, = one.values()
            places = sorted(set(_places(rule)))
            yield Finding(rule["name"], f"{Path(file['name']).name} {', '.join(places)}", "Control Tower")


def _places(node) -> Iterator[str]:
    """The names of the resources in a report of cfn-guard."""
    if isinstance(node, list):
        for one in node:
            yield from _places(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "path" and str(value).startswith("/Resources/"):
                yield str(value).split("/")[2]
            else:
                yield from _places(value)


def policies(name: str, template: dict) -> Iterator[Finding]:
    """parliament and cloudsplaining on each statement that a role gets, parliament also on resources' policies."""
    for role, statement in granted(template):
        where = f"{name} {role} {statement.get('Sid')}"
        document = {"Version": "2012-10-17", "Statement": [concrete(template, statement)]}
        yield from _parliament(where, document)
        scanned = PolicyDocument(document)
        for kind in (
            "allows_privilege_escalation", "allows_data_exfiltration_actions", "infrastructure_modification",
            "permissions_management_without_constraints", "service_wildcard", "credentials_exposure",
        ):
            if found := getattr(scanned, kind):
                yield Finding(kind, where, f"cloudsplaining: {found}")
    for kind in ("SQS::QueuePolicy", "SNS::TopicPolicy"):
        for policy, own in properties(template, kind):
            yield from _parliament(f"{name} {policy}", concrete(template, own["PolicyDocument"]))


def _parliament(where: str, document: dict) -> Iterator[Finding]:
    actions = sorted({action for one in document["Statement"] for action in listed(one["Action"])})
    for one in analyze_policy_string(json.dumps(document)).findings:
        kind = f"{one.issue} {actions[0]}" if len(actions) == 1 else one.issue
        yield Finding(kind, where, f"parliament: {one.detail}")


def own_rules(name: str, template: dict, hardened: bool) -> Iterator[Finding]:
    for sentence in findings(template, hardened):
        rule, _, text = sentence.partition(": ")
        yield Finding(rule, name, text)


def main() -> int:
    logging.disable(logging.WARNING)
    try:
        source, gradual = transformed(load(TEMPLATE)), transformed(load(TEMPLATE), HARDENED)
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        print(f"SAM cannot transform infra/template.yaml: {causes}", file=sys.stderr)
        return 1
    key = load(KEY_TEMPLATE)
    templates = {
        "template-default.json": resolved(source), "template-hardened.json": resolved(gradual, HARDENED),
        "key-default.json": resolved(key), "key-hardened.json": resolved(key, HARDENED),
        "template-taken-up.json": resolved(source, TAKEN_UP),
    }
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        files = [Path(folder) / name for name in templates]
        for file in files:
            file.write_text(json.dumps(templates[file.name], indent=1))
        works = [
            partial(cfn_lint, [TEMPLATE, KEY_TEMPLATE], "--append-rules", "cfn_lint_serverless.rules"),
            partial(cfn_lint, files), partial(checkov, [TEMPLATE, KEY_TEMPLATE]), partial(checkov, files),
            partial(cfn_guard, files[:2]),
            *(partial(policies, name, template) for name, template in templates.items()),
            # Not of a stack on earlier tables: many rules are about the change feed, which they find by its table.
            *(partial(own_rules, name, templates[name], "hardened" in name) for name in [*templates][:4]),
        ]
        try:
            found = [one for work in pool.map(lambda work: list(work()), works) for one in work]
        except ToolFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    return report(found)


def report(found: list[Finding]) -> int:
    """Prints what counts. Returns the exit code."""
    suppressed = {kind for kinds in SUPPRESSED.values() for kind in kinds}
    optional = {kind for kinds in OPTIONAL.values() for kind in kinds}

    def counts(one: Finding) -> bool:
        return one.kind not in suppressed and not (one.kind in optional and "-hardened.json" not in one.where)

    counting = [one for one in found if counts(one)]
    for one in counting:
        print(f"{one.where}: {one.kind}: {one.text}")
    stale = (suppressed | optional) - {one.kind for one in found}
    for kind in sorted(stale):
        print(f"infra/lint/lint.py: nothing is found of the kind {kind}: remove it from the list")
    print(
        f"Findings: {len(counting)}. Never counted: {len(SUPPRESSED)} kinds "
        f"({sum(one.kind in suppressed for one in found)} findings); answered by a parameter: {len(OPTIONAL)} kinds "
        f"({sum(one.kind in optional for one in found)})."
    )
    return 1 if counting or stale else 0


if __name__ == "__main__":
    sys.exit(main())
