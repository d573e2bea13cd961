"""Change sets, parameters and packages, with the answers of AWS."""

import os
import tempfile
import unittest
import zipfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from stubs import REAL, StubbedAccount, deployed, stage

from deploy import Refused, account, commands, packages, stack
from deploy.preflight import Plan
from deploy.stack import ChangeSet

ID = "arn:aws:cloudformation:eu-central-1:123456789012:changeSet/leadstream-1/2"


def change(action: str, kind: str, name: str = "It", **more) -> dict:
    return {"Action": action, "ResourceType": kind, "LogicalResourceId": name, **more}


class Changes(unittest.TestCase):
    def setUp(self):
        self.account = StubbedAccount()

    def propose(self, creates: bool = False) -> ChangeSet | None:
        found = stack.propose(self.account, "leadstream-test", creates, "https://s3/x", [], {})
        self.account.assert_all_asked()
        return found

    def answers(self, operation: str, answer: dict) -> None:
        self.account.answers("cloudformation", operation, answer)

    def test_no_changes_is_a_success(self):
        for reason in (
            "The submitted information didn't contain changes. Submit different information to create a change set.",
            "No updates are to be performed.",
        ):
            self.answers("create_change_set", {"Id": ID})
            for _ in range(2):
                self.answers("describe_change_set", {"Status": "FAILED", "StatusReason": reason})
            self.answers("delete_change_set", {})
            self.assertIsNone(self.propose())

    def test_a_failure_is_none(self):
        self.answers("create_change_set", {"Id": ID})
        for _ in range(2):
            self.answers("describe_change_set", {"Status": "FAILED", "StatusReason": "Transform failed"})
        self.answers("delete_change_set", {})
        self.answers("delete_stack", {})  # that CloudFormation made for the change set
        with self.assertRaisesRegex(Refused, "could not work out the changes: Transform failed"):
            self.propose(creates=True)
        self.account.assert_all_asked()

    def test_a_refused_template_is_one_sentence(self):
        self.account.fails("cloudformation", "create_change_set", "ValidationError", "Template format error")
        with self.assertRaisesRegex(Refused, "refused the template or its parameters.*Template format error"):
            self.propose()

    def test_changes_of_every_page_are_shown(self):
        self.answers("create_change_set", {"Id": ID})
        self.answers("describe_change_set", {"Status": "CREATE_COMPLETE"})
        resource = {"Type": "Resource", "ResourceChange": change("Add", "AWS::SQS::Queue", "OfferEvents")}
        removed = {"Type": "Resource", "ResourceChange": change(
            "Remove", "AWS::DynamoDB::Table", "LeadsTable", PolicyAction="Retain")}
        self.answers("describe_change_set", {"Changes": [resource], "NextToken": "2"})
        self.answers("describe_change_set", {"Changes": [removed]})
        self.assertEqual([
            "  + add     OfferEvents                      AWS::SQS::Queue",
            "  - remove  LeadsTable                       AWS::DynamoDB::Table (stays in the account)",
        ], self.propose().lines())

    def test_only_tables_and_queues_that_would_be_lost_are_endangered(self):
        for endangered, one in (
            (True, change("Remove", "AWS::SQS::Queue")),
            (True, change("Remove", "AWS::DynamoDB::Table", PolicyAction="Retain")),
            (True, change("Modify", "AWS::DynamoDB::Table", Replacement="True")),
            (True, change("Modify", "AWS::SQS::Queue", Replacement="Conditional")),
            (False, change("Modify", "AWS::SQS::Queue", Replacement="False")),
            (False, change("Add", "AWS::SQS::Queue")),
            (False, change("Remove", "AWS::Lambda::Function")),
        ):
            found = ChangeSet(self.account, "leadstream-test", False, ID, [one]).endangered()
            self.assertEqual(["It"] if endangered else [], found, one)

    def test_a_failed_update_reports_causes_not_cancellations(self):
        events = [
            ("3", "Sweeper", "CREATE_FAILED", "Resource creation cancelled"),
            ("2", "Recorder", "CREATE_FAILED", "already exists"),
            ("1", "Old", "CREATE_FAILED", "of an earlier update"),
        ]

        def page(found) -> dict:
            return {"StackEvents": [{
                "EventId": id, "LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": reason,
                "StackId": "x", "StackName": "x", "Timestamp": 0,
            } for id, name, status, reason in found]}

        self.answers("describe_stack_events", page(events[2:]))
        self.answers("execute_change_set", {})
        self.answers("describe_stacks", {"Stacks": [{
            "StackName": "x", "CreationTime": 0, "StackStatus": "UPDATE_ROLLBACK_COMPLETE"}]})
        self.answers("describe_stack_events", page(events))
        with self.assertRaises(Refused) as caught:
            ChangeSet(self.account, "leadstream-test", False, ID, []).apply()
        self.assertEqual(
            "CloudFormation could not change leadstream-test:\n  Recorder: already exists", str(caught.exception))


class Parameters(unittest.TestCase):
    def setUp(self):
        self.account = StubbedAccount()

    def given(self, plan: Plan) -> dict[str, str | None]:
        """The parameters that are sent; `None` for the previous value."""
        return {one["ParameterKey"]: one.get("ParameterValue") for one in commands._parameters(plan)}

    def test_a_new_stack_gets_what_is_stated(self):
        sent = self.given(Plan(self.account, stage(), REAL, None))
        self.assertEqual(stage().parameters | {"ExistingChangeFeed": ""}, sent)

    def test_what_is_not_stated_keeps_its_value(self):
        sent = self.given(Plan(self.account, stage(Effects="live"), REAL, deployed(Effects="shadow", LivePercent="5")))
        self.assertEqual("live", sent["Effects"])
        self.assertIsNone(sent["LivePercent"])
        self.assertEqual(set(REAL.parameters), set(sent))

    def test_a_parameter_that_the_stack_does_not_have_yet_gets_its_default(self):
        older = deployed()
        del older.parameters["LogLevel"]
        self.assertNotIn("LogLevel", self.given(Plan(self.account, stage(), REAL, older)))

    def test_the_change_feed_of_an_existing_table_is_looked_up(self):
        arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/old/stream/2026-11-29T06:00:00.123"
        self.account.answers("dynamodb", "describe_table", {"Table": {"LatestStreamArn": arn}}, {"TableName": "old"})
        sent = self.given(Plan(self.account, stage(ExistingStreamsTable="old"), REAL, None))
        self.assertEqual("2026-11-29T06:00:00.123", sent["ExistingChangeFeed"])


class Packages(unittest.TestCase):
    @contextmanager
    def built(self, **machines: int):
        with tempfile.TemporaryDirectory() as folder:
            for function in ("recorder", "reactor", "sweeper", "receipts"):
                program = Path(folder) / function / "bootstrap"
                program.parent.mkdir()
                program.write_bytes(b"\x7fELF" + bytes(14) + machines.get(function, 183).to_bytes(2, "little") + bytes(40))
            yield Path(folder)

    def test_the_architecture_is_read_from_the_programs(self):
        with self.built() as folder:
            self.assertEqual("arm64", packages.architecture(folder, REAL))
        with self.built(recorder=62, reactor=62, sweeper=62, receipts=62) as folder:
            self.assertEqual("x86_64", packages.architecture(folder, REAL))
        with self.built(recorder=62) as folder, self.assertRaisesRegex(Refused, "different architectures"):
            packages.architecture(folder, REAL)

    def test_a_program_that_is_missing_or_not_one(self):
        with self.built() as folder:
            (folder / "sweeper" / "bootstrap").write_text("#!/bin/sh\n")
            with self.assertRaisesRegex(Refused, "sweeper.bootstrap is not a program for Linux"):
                packages.architecture(folder, REAL)
            (folder / "sweeper" / "bootstrap").unlink()
            with self.assertRaisesRegex(Refused, "sweeper.bootstrap: No such file.*make package"):
                packages.architecture(folder, REAL)

    def test_the_same_program_gives_the_same_package(self):
        self.assertEqual(packages.zipped(b"x"), packages.zipped(b"x"))
        self.assertNotEqual(packages.zipped(b"x"), packages.zipped(b"y"))

    def test_the_package_that_was_made_of_the_program_is_deployed(self):
        with self.built() as folder:
            program = (folder / "recorder" / "bootstrap").read_bytes()
            self.assertEqual(packages.zipped(program), packages.package(folder, "recorder"))
            made = folder / "recorder.zip"
            with zipfile.ZipFile(made, "w") as archive:
                archive.writestr("LICENCES.txt", "terms")
                archive.writestr("bootstrap", program)
            self.assertEqual(made.read_bytes(), packages.package(folder, "recorder"))
            (folder / "recorder" / "bootstrap").write_bytes(program + b"built again")
            self.assertNotEqual(made.read_bytes(), packages.package(folder, "recorder"))

    def test_a_bucket_of_another_account_is_not_used(self):
        account = StubbedAccount()
        account.fails("s3", "head_bucket", "403")
        with self.built() as folder, self.assertRaisesRegex(Refused, "leadstream-packages-123456789012-eu-central-1 is not"):
            packages.upload(account, folder, REAL)


class SigningIn(unittest.TestCase):
    """Only what is refused before AWS is asked."""

    def refused(self, sentence: str, region: str | None, **environment: str) -> None:
        nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
                   "AWS_EC2_METADATA_DISABLED": "true"}
        with mock.patch.dict(os.environ, nowhere | environment, clear=True), self.assertRaisesRegex(Refused, sentence):
            account.sign_in(region)

    def test_what_is_missing_or_wrong(self):
        self.refused("No region: set `region`", None)
        self.refused("'eu-centrl-1' is not a region", "eu-centrl-1")
        self.refused("'moon' is not a region", None, AWS_REGION="moon")
        self.refused("No AWS credentials: set AWS_PROFILE", "eu-central-1")
        self.refused("profile .*nobody.* `aws configure list-profiles`", "eu-central-1", AWS_PROFILE="nobody")


if __name__ == "__main__":
    unittest.main()
