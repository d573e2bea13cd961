"""When a version is published, and how the alias moves back and forward, with the answers of AWS."""

import io
import json
import re
import unittest

from botocore.response import StreamingBody
from stubs import REAL, REQUIRED, TEMPLATE_TEXT, StubbedAccount, deployed, stage

from deploy import Refused, commands, preflight, rollout, versions
from deploy.preflight import NOTE, Plan
from deploy.rollout import Live

NAMES = ("recorder", "reactor", "sweeper", "receipts")
VALUES = {name: REQUIRED.get(name, one.default) for name, one in REAL.parameters.items()}


def digests(text: str = TEMPLATE_TEXT, **changed: str) -> dict[str, str]:
    """The digest in each function's description."""
    return dict(zip(NAMES, re.findall(r" \[([0-9a-f]{16})\]\n", versions.stamped(text, (VALUES | changed).__getitem__))))


class Versions(unittest.TestCase):
    def changed(self, text: str = TEMPLATE_TEXT, **parameters: str) -> str:
        """The functions of which a version is published."""
        return " ".join(name for name, digest in digests(text, **parameters).items() if digest != digests()[name])

    def replaced(self, old: str, new: str) -> str:
        self.assertIn(old, TEMPLATE_TEXT)
        return self.changed(TEMPLATE_TEXT.replace(old, new))

    def test_a_parameter_changes_the_functions_that_depend_on_it(self):
        self.assertEqual(set(NAMES), set(digests()))
        for parameter, functions in {
            "SiteUrl": "reactor sweeper", "EmailSender": "reactor sweeper", "EmailsPerSecond": "sweeper",
            "Effects": "recorder", "LegacyUrl": "recorder", "ExistingLeadsTable": "reactor sweeper receipts",
            "LogLevel": "recorder reactor sweeper receipts", "FunctionMemory": "recorder reactor sweeper receipts",
            # The deployment replaces the roles, whose names versions keep.
            "RolePath": "recorder reactor sweeper receipts",
            "SweepEvery": "", "AlarmTopicArn": "", "RecorderMaximumConcurrency": "", "OperatorPrincipals": "",
            # How versions go live is no part of them.
            "Rollout": "",
        }.items():
            self.assertEqual(functions, self.changed(**{parameter: "other"}), parameter)

    def test_code_and_settings_change_their_function(self):
        self.assertEqual("sweeper", self.replaced("../target/lambda/sweeper/", "s3://bucket/sweeper/1.zip"))
        self.assertEqual("recorder", self.replaced("LIVE_PERCENT: !Ref LivePercent", "LIVE_PERCENT: 3"))
        self.assertEqual("recorder reactor sweeper receipts", self.replaced("Runtime: provided.al2023", "Runtime: provided.al2"))
        self.assertEqual("recorder reactor sweeper", self.replaced("OwnsStreamsTable: !Equals", "OwnsStreamsTable: !Not"))

    def test_what_is_not_of_a_function_changes_none(self):
        self.assertEqual("", self.replaced("EvaluationPeriods: 5", "EvaluationPeriods: 6"))
        self.assertEqual("", self.replaced("Alarms: [!Ref SweeperErrorsAlarm,", "Alarms: ["))

    def test_the_rest_of_the_template_stays(self):
        stamped = versions.stamped(TEMPLATE_TEXT, VALUES.__getitem__)
        self.assertEqual(TEMPLATE_TEXT, re.sub(r" \[[0-9a-f]{16}\]\n", "\n", stamped))


def function(version: str, role: str = "role", code: str = "x", **variables: str) -> dict:
    return {"Version": version, "Role": role, "CodeSha256": code, "MemorySize": 512, "Timeout": 30,
            "Environment": {"Variables": variables}}


class Rollout(unittest.TestCase):
    def setUp(self):
        self.account = StubbedAccount()
        self.said: list[str] = []

    def arn(self, name: str, qualifier: str) -> str:
        return f"arn:aws:lambda:eu-central-1:123456789012:function:leadstream-test-{name}:{qualifier}"

    def stack_has(self, status: str = "UPDATE_COMPLETE", **functions: tuple[str, list[str]]) -> None:
        """The stack, with the version at which each function's alias is, and those that are among the resources."""
        resources = []
        for name, (_, published) in functions.items():
            resources += [("AWS::Lambda::Version", self.arn(name, one)) for one in published]
            resources.append(("AWS::Lambda::Alias", self.arn(name, "live")))
        self.account.answers("cloudformation", "list_stack_resources", {"StackResourceSummaries": [
            {"LogicalResourceId": "x", "PhysicalResourceId": id, "ResourceType": kind, "ResourceStatus": "CREATE_COMPLETE",
             "LastUpdatedTimestamp": 0} for kind, id in resources]})
        for name, (live, _) in functions.items():
            self.account.answers(
                "lambda", "get_alias", {"FunctionVersion": live}, {"FunctionName": f"leadstream-test-{name}", "Name": "live"})

    def has_status(self, status: str) -> None:
        self.account.answers("cloudformation", "describe_stacks", {"Stacks": [{
            "StackName": "leadstream-test", "StackStatus": status, "CreationTime": 0, "StackId": "arn:stack/leadstream-test/7"}]})

    def was_live(self, *entries: dict[str, str]) -> None:
        """What was live, newest first."""
        keys = [f"live/leadstream-test/7/2026-11-{29 - day}.json" for day in range(len(entries))]
        self.account.answers("s3", "list_objects_v2", {"Contents": [{"Key": key} for key in keys]}, {
            "Bucket": self.account.bucket, "Prefix": "live/leadstream-test/7/"})
        for entry in entries:
            content = json.dumps({f"leadstream-test-{name}": version for name, version in entry.items()}).encode()
            self.account.answers("s3", "get_object", {"Body": StreamingBody(io.BytesIO(content), len(content))})

    def roll_back(self, confirm: bool = True) -> None:
        commands.roll_back(self.account, stage(), self.said.append, lambda _: confirm)

    def refused(self, sentence: str, **options) -> None:
        with self.assertRaisesRegex(Refused, sentence):
            self.roll_back(**options)
        self.account.assert_all_asked()

    def configurations(self, now: dict, then: dict, latest: dict | None = None) -> None:
        for one in (latest or now, now, then):
            self.account.answers("lambda", "get_function_configuration", one)

    def test_functions_go_back_to_what_was_live_before(self):
        self.has_status("UPDATE_COMPLETE")
        self.stack_has(recorder=("4", ["4"]), reactor=("2", ["2"]))
        self.was_live({"recorder": "4", "reactor": "2"}, {"recorder": "3", "reactor": "2"})
        self.configurations(function("4", code="new", LOG_LEVEL="info"), function("3", code="old", LOG_LEVEL="debug"))
        self.account.answers("lambda", "update_alias", {}, {
            "FunctionName": "leadstream-test-recorder", "Name": "live", "FunctionVersion": "3"})
        self.was_live({"recorder": "4", "reactor": "2"})
        self.account.answers("s3", "put_object", {})
        self.roll_back()
        self.account.assert_all_asked()
        self.assertIn("  leadstream-test-recorder: version 4 -> 3 (code, LOG_LEVEL)", self.said[0].splitlines())
        self.assertNotIn("reactor", self.said[0])

    def test_nothing_moves_without_confirmation(self):
        self.has_status("UPDATE_COMPLETE")
        self.stack_has(recorder=("4", ["4"]))
        self.was_live({"recorder": "4"}, {"recorder": "3"})
        self.configurations(function("4"), function("3"))
        self.refused("Nothing was changed", confirm=False)

    def test_without_an_earlier_version_nothing_moves(self):
        self.has_status("CREATE_COMPLETE")
        self.stack_has(recorder=("1", ["1"]))
        self.was_live({"recorder": "1"})
        self.refused("No earlier versions of leadstream-test are recorded")

    def test_a_version_that_cannot_run_is_refused(self):
        self.has_status("UPDATE_COMPLETE")
        self.stack_has(recorder=("4", ["4"]))
        self.was_live({"recorder": "4"}, {"recorder": "3"})
        self.configurations(function("4", role="new"), function("3", role="old"))
        self.refused("version 3 of leadstream-test-recorder has the role old, which the stack has replaced: pass WHOLE=1")
        self.has_status("UPDATE_COMPLETE")
        self.stack_has(recorder=("4", ["4"]))
        self.was_live({"recorder": "4"}, {"recorder": "3"})
        for _ in range(2):
            self.account.answers("lambda", "get_function_configuration", function("4"))
        self.account.fails("lambda", "get_function_configuration", "ResourceNotFoundException")
        self.refused("version 3 of leadstream-test-recorder no longer exists: pass WHOLE=1")

    def test_a_stack_that_is_changing_is_left_alone(self):
        self.has_status("UPDATE_IN_PROGRESS")
        self.refused("is UPDATE_IN_PROGRESS: `aws cloudformation cancel-update-stack --stack-name leadstream-test` ends")
        self.account.fails("cloudformation", "describe_stacks", "ValidationError", "Stack does not exist")
        self.refused("does not exist: deploy it")

    def test_an_alias_that_codedeploy_moves_is_left_alone(self):
        shifting = Live("leadstream-test-recorder", "3", "4", is_shifting=True)
        with self.assertRaisesRegex(Refused, "CodeDeploy is shifting leadstream-test-recorder"):
            rollout.moves(self.account, [shifting], {})

    def test_the_deployed_version_is_the_newest_among_the_resources(self):
        self.stack_has(recorder=("3", ["9", "10"]), reactor=("2", []))
        found = rollout.aliases(self.account, commands.stack.resources(self.account, "leadstream-test"))
        self.assertEqual(
            {"leadstream-test-recorder": "10", "leadstream-test-reactor": "2"}, rollout.forward(found))

    def findings(self, check, **parameters: str) -> list[str]:
        found = list(check(Plan(self.account, stage(**parameters), REAL, deployed())))
        self.account.assert_all_asked()
        self.assertTrue(all(one.level == NOTE for one in found))
        return [one.text for one in found]

    def test_preflight_notes_functions_that_were_rolled_back(self):
        self.stack_has(recorder=("4", ["4"]))
        self.assertEqual([], self.findings(preflight._live_versions))
        self.stack_has(recorder=("3", ["4"]))
        (text,) = self.findings(preflight._live_versions)
        self.assertEqual(
            "rolled back: leadstream-test-recorder at version 3, not 4: this deployment goes forward", text)
        self.stack_has(recorder=("3", ["4"]))
        (text,) = self.findings(preflight._live_versions, Rollout="Canary10Percent5Minutes")
        self.assertIn('set Rollout = "AllAtOnce"', text)

    def test_preflight_notes_alarms_that_would_end_a_rollout(self):
        self.assertEqual([], self.findings(preflight._ringing))
        for alarms in ([], [{"AlarmName": "leadstream-test-DeadLettersAlarm-1"}]):
            self.account.answers("cloudwatch", "describe_alarms", {"MetricAlarms": alarms}, {
                "AlarmNamePrefix": "leadstream-test-", "StateValue": "ALARM"})
            found = self.findings(preflight._ringing, Rollout="Linear10PercentEvery1Minute")
            self.assertEqual(len(alarms), len(found))


if __name__ == "__main__":
    unittest.main()
