#!/usr/bin/env python3
"""The life of a stack on a local engine: created, changed, deployed unchanged, rolled back, destroyed, and created again
on the tables that stayed. Versions that go forward and back. Also a creation that fails, and the next one.

    life_of_a_stack.py --emulator ministack --artifacts target/local/lambda
"""

import argparse
import shutil
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import deployment  # noqa: E402
from emulator import ENGINES, Emulator  # noqa: E402
from engine import REGION  # noqa: E402

from deploy import Refused, commands, stack  # noqa: E402
from deploy.template import TEMPLATE, Template  # noqa: E402

FUNCTIONS = ("recorder", "reactor", "sweeper", "receipts")
# What an engine does not do as AWS does; no test expects it there.
CANNOT = {
    "ministack": set(),
    "localstack": {
        "retain tables with RetainExceptOnCreate", "change the protection of a table", "delete what a failed creation made",
        "say what is replaced", "say that nothing changes",
    },
}
OPTIONS = argparse.Namespace(emulator="ministack", artifacts=ROOT / "target" / "local" / "lambda")


class LifeOfAStack(unittest.TestCase):
    """Each test has an engine of its own."""

    def setUp(self):
        local = ROOT / ".local"
        local.mkdir(exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="run-", dir=local))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        self.engine = ENGINES[OPTIONS.emulator]
        emulator = Emulator.start_anywhere(self.engine, home, False, lambda port: f"http://127.0.0.1:{port}")
        self.addCleanup(emulator.stop)
        self.account = deployment.account(emulator.endpoint, REGION)
        self.template = Template(TEMPLATE.read_text(encoding="utf-8"))
        self.stage = deployment.local_stage(self.template, OPTIONS.artifacts)
        self.said: list[str] = []

    def can(self, what: str) -> bool:
        assert what in set().union(*CANNOT.values()), what
        return what not in CANNOT[OPTIONS.emulator]

    def stating(self, **parameters: str):
        return replace(self.stage, parameters=self.stage.parameters | parameters)

    def deploy(self, stage, template=None, **options) -> dict[str, str]:
        self.said.clear()
        return commands.deploy(
            self.account, stage, template or self.template, OPTIONS.artifacts, self.said.append, lambda _: True, **options)

    def parameters(self) -> dict[str, str]:
        return stack.deployed(self.account, self.stage.stack).parameters

    def function(self, name: str) -> dict:
        return self.account.client("lambda").get_function_configuration(FunctionName=f"{self.stage.stack}-{name}")

    def live(self, name: str) -> dict:
        """The settings with which a function runs."""
        # By the version, because LocalStack finds no settings by an alias.
        return self.account.client("lambda").get_function_configuration(
            FunctionName=f"{self.stage.stack}-{name}", Qualifier=self.versions()[name])

    def site(self) -> str:
        return self.live("reactor")["Environment"]["Variables"]["SITE_URL"]

    def versions(self) -> dict[str, str]:
        client = self.account.client("lambda")
        return {name: client.get_alias(FunctionName=f"{self.stage.stack}-{name}", Name="live")["FunctionVersion"]
                for name in FUNCTIONS}

    def called_by_mappings(self) -> set[str]:
        mappings = self.account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        return {mapping["FunctionArn"].partition(":function:")[2] for mapping in mappings}

    def roll_back(self, stage, confirm: bool = True) -> None:
        self.said.clear()
        commands.roll_back(self.account, stage, self.said.append, lambda _: confirm)

    def is_protected(self, table: str) -> bool:
        return self.account.client("dynamodb").describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]

    def test_deployed_changed_unchanged_rolled_back(self):
        sender = "Cars \"n\" more, $HOME & `co` <offers@example.com>"
        with mock.patch.object(stack, "propose", wraps=stack.propose) as proposed:
            outputs = self.deploy(self.stating(DeletionProtection="true", EmailSender=sender))
        protection = [parameter["ParameterValue"] for call in proposed.call_args_list for parameter in call.args[4]
                      if parameter["ParameterKey"] == "DeletionProtection"]
        self.assertEqual(["false", "true"], protection, "a failed creation can delete its tables")
        self.assertEqual(self.function("reactor")["Environment"]["Variables"]["EMAIL_SENDER"], sender)
        self.assertEqual("true", self.parameters()["DeletionProtection"])
        if self.can("change the protection of a table"):
            self.assertTrue(self.is_protected(outputs["StreamsTableName"]))
            self.assertTrue(self.is_protected(outputs["LeadsTableName"]))
        self.assertEqual(3, len(outputs["DkimRecords"].splitlines()))

        # One parameter; all others, and the tables, stay as they are.
        before = self.parameters()
        one = replace(self.stage, parameters={"LogRetention": "3"})
        self.assertEqual(outputs, self.deploy(one))
        self.assertEqual(before | {"LogRetention": "3"}, self.parameters())

        self.deploy(replace(self.stage, parameters={}))
        if self.can("say that nothing changes"):
            self.assertIn("No changes.", self.said)
        self.assertEqual(before | {"LogRetention": "3"}, self.parameters())

        # Another version of the template, and back.
        described = "Records offer events"
        other = Template(self.template.text.replace(described, "Another version"))
        self.deploy(one, other)
        self.assertIn("Another version", self.live("recorder")["Description"])
        commands.roll_back_whole(self.account, one, self.said.append, lambda _: True)
        self.assertIn(described, self.live("recorder")["Description"])
        self.assertEqual(before | {"LogRetention": "3"}, self.parameters())

        # Nothing that would lose a table is applied unless it is named.
        renamed = Template(self.template.text.replace(
            "AttributeName: kind, Key", "AttributeName: sort, Key").replace("AttributeName: kind, A", "AttributeName: sort, A"))
        if self.can("say what is replaced"):
            with self.assertRaisesRegex(Refused, "ALLOW=LeadsTable"):
                self.deploy(one, renamed)
        with self.assertRaisesRegex(Refused, "Nothing was changed"):
            commands.deploy(self.account, one, other, OPTIONS.artifacts, self.said.append, lambda _: False)
        self.assertIn(described, self.live("recorder")["Description"])

    def test_versions_go_forward_and_back(self):
        self.deploy(self.stage)
        self.assertEqual(dict.fromkeys(FUNCTIONS, "1"), self.versions())
        self.assertEqual(
            {f"leadstream-{name}:live" for name in ("recorder", "reactor", "receipts")}, self.called_by_mappings())
        rules = self.account.client("events")
        targets = [target["Arn"] for rule in rules.list_rules()["Rules"]
                   for target in rules.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
        self.assertEqual(["leadstream-sweeper:live"], [arn.partition(":function:")[2] for arn in targets])

        # An unchanged deployment publishes nothing, and so does a parameter that no function depends on.
        self.deploy(self.stage)
        self.deploy(self.stating(SweepEvery="rate(2 minutes)"))
        self.assertEqual(dict.fromkeys(FUNCTIONS, "1"), self.versions())

        # A parameter reaches the versions of the functions that have it, and only these.
        sending = self.stating(SiteUrl="https://new.example.com")
        self.deploy(sending)
        changed = {"recorder": "1", "reactor": "2", "sweeper": "2", "receipts": "1"}
        self.assertEqual(changed, self.versions())
        self.assertEqual("https://new.example.com", self.site())

        # Back in one step, without a build or a change set; then forward in the same way.
        with self.assertRaisesRegex(Refused, "Nothing was changed"):
            self.roll_back(sending, confirm=False)
        self.assertEqual(changed, self.versions())
        for expected, url in ((dict.fromkeys(FUNCTIONS, "1"), "offers"), (changed, "new"), (dict.fromkeys(FUNCTIONS, "1"), "offers")):
            self.roll_back(sending)
            self.assertEqual((expected, f"https://{url}.example.com"), (self.versions(), self.site()))
        self.assertIn("  leadstream-reactor: version 2 -> 1 (SITE_URL)", "\n".join(self.said))

        # The next deployment goes forward, with or without a change.
        self.deploy(sending)
        self.assertIn("rolled back: leadstream-reactor at version 1, not 2", self.said[0])
        self.assertEqual((changed, "https://new.example.com"), (self.versions(), self.site()))
        self.roll_back(sending)
        self.deploy(self.stating(SiteUrl="https://newer.example.com"))
        self.assertEqual("https://newer.example.com", self.site())
        self.assertEqual({"recorder": "1", "reactor": "3", "sweeper": "3", "receipts": "1"}, self.versions())

        # Changed settings of the local AWS reach the alias too.
        deployment.set_variables(self.account.endpoint, REGION, "recorder", {"LIVE_PERCENT": "7"})
        self.assertEqual("7", self.live("recorder")["Environment"]["Variables"]["LIVE_PERCENT"])

    def test_destroyed_and_created_again_on_the_tables_that_stayed(self):
        outputs = self.deploy(self.stage)
        tables = {"ExistingStreamsTable": outputs["StreamsTableName"], "ExistingLeadsTable": outputs["LeadsTableName"]}
        self.account.client("dynamodb").put_item(TableName=outputs["LeadsTableName"], Item={
            "buyer": {"S": "ada"}, "kind": {"S": "test"}})
        sqs, queue = self.account.client("sqs"), outputs["SalesTeamQueueUrl"]
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="x", MessageDeduplicationId="x")
        with self.assertRaisesRegex(Refused, "(?s)queues still hold messages.*1 in .*SalesTeam.fifo"):
            commands.destroy(self.account, self.stage, self.said.append, lambda _: True)
        message = sqs.receive_message(QueueUrl=queue)["Messages"][0]
        with self.assertRaisesRegex(Refused, "1 in .*SalesTeam.fifo"):  # a message in flight counts too
            commands.destroy(self.account, self.stage, self.said.append, lambda _: True)
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        with self.assertRaisesRegex(Refused, "Not done"):
            commands.destroy(self.account, self.stage, self.said.append, lambda _: False)
        commands.destroy(self.account, self.stage, self.said.append, lambda _: True)
        self.assertIsNone(stack.deployed(self.account, self.stage.stack))
        for name, table in tables.items():
            self.assertIn(f'{name} = "{table}"', self.said[-1])

        if not self.can("retain tables with RetainExceptOnCreate"):
            return
        with self.assertRaisesRegex(Refused, "must be resolved"):
            self.deploy(self.stage)
        self.assertIn("an earlier stack left", self.said[0])
        self.assertIn("SES identity example.com exists already", self.said[0])
        again = self.deploy(self.stating(CreateEmailIdentity="false", **tables))
        self.assertEqual(tables["ExistingStreamsTable"], again["StreamsTableName"])
        self.assertEqual(tables["ExistingLeadsTable"], again["LeadsTableName"])
        self.assertEqual(again["LeadsTableName"], self.function("sweeper")["Environment"]["Variables"]["LEADS_TABLE"])
        feed = self.account.client("dynamodb").describe_table(TableName=again["StreamsTableName"])["Table"]["LatestStreamArn"]
        mappings = self.account.client("lambda").list_event_source_mappings(
            FunctionName=f"{self.stage.stack}-reactor")["EventSourceMappings"]
        self.assertEqual([feed], [mapping["EventSourceArn"] for mapping in mappings])
        self.assertEqual(1, self.account.client("dynamodb").scan(TableName=again["LeadsTableName"])["Count"])

        # Without the stage's parameters the tables are still those.
        self.assertEqual(again, self.deploy(replace(self.stage, parameters={})))

    def test_a_failed_creation_leaves_nothing_and_the_next_one_succeeds(self):
        protected = self.stating(DeletionProtection="true")
        # Code that does not exist, at which LocalStack fails, and an attribute that does not, at which MiniStack does.
        broken = Template(self.template.text.replace(
            "CodeUri: ../target/lambda/receipts/", f"CodeUri: s3://{self.account.bucket}/missing.zip"
        ).replace("SenderIdentity.DkimDNSTokenName1", "SenderIdentity.Missing"))
        with self.assertRaisesRegex(Refused, "could not change leadstream:\n  .*: .*"):
            self.deploy(protected, broken)
        self.assertEqual("ROLLBACK_COMPLETE", stack.deployed(self.account, self.stage.stack).status)
        tables = self.account.client("dynamodb").list_tables()["TableNames"]
        if self.can("delete what a failed creation made"):
            self.assertEqual([], tables)
        for table in tables:
            self.account.client("dynamodb").delete_table(TableName=table)
        self.deploy(protected)
        self.assertIn("it will be deleted first", self.said[0])
        self.assertEqual("true", self.parameters()["DeletionProtection"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emulator", choices=ENGINES, default=OPTIONS.emulator)
    parser.add_argument("--artifacts", type=Path, default=OPTIONS.artifacts, metavar="DIR")
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
