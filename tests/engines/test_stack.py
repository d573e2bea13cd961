"""`stack.py` with `LOCALSTACK_ENDPOINT`, and the removal of the stack."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import removal
from deployment import DeploymentFailed
from engine import REGION
from fake import NO_BUCKET, FakeLocalStack

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = """<DescribeStackResourcesResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStackResourcesResult><StackResources>
<member><LogicalResourceId>StreamsTable</LogicalResourceId><PhysicalResourceId>leadstream-streams</PhysicalResourceId>
<ResourceType>AWS::DynamoDB::Table</ResourceType></member>
<member><LogicalResourceId>LeadsTable</LogicalResourceId><PhysicalResourceId>leadstream-leads</PhysicalResourceId>
<ResourceType>AWS::DynamoDB::Table</ResourceType></member>
<member><LogicalResourceId>SenderIdentity</LogicalResourceId><PhysicalResourceId>example.com</PhysicalResourceId>
<ResourceType>AWS::SES::EmailIdentity</ResourceType></member>
</StackResources></DescribeStackResourcesResult>
</DescribeStackResourcesResponse>"""
DONE = '<DeleteStackResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"></DeleteStackResponse>'
LISTED = """<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents><Key>recorder/1.zip</Key></Contents>
</ListBucketResult>"""
CODE = {
    "GET /leadstream-code": (200, LISTED), "DELETE /leadstream-code/recorder/1.zip": (204, ""),
    "DELETE /leadstream-code": (204, ""),
}
RETAINED = {
    "ListTables": (200, '{"TableNames": ["another", "leadstream-leads"]}'), "DeleteTable": (200, "{}"),
    "DeleteIdentity": (200, '<DeleteIdentityResponse><DeleteIdentityResult/></DeleteIdentityResponse>'),
}
REMOVABLE = {"DescribeStackResources": (200, RESOURCES), "DeleteStack": (200, DONE)}


class Commands(unittest.TestCase):
    def stack(self, endpoint: str, *words: str) -> tuple[int, str]:
        with TemporaryDirectory() as folder:
            own = {"LOCALSTACK_ENDPOINT": endpoint, "LEADS_PROFILES": f"{folder}/leads.toml"}
            done = subprocess.run(
                [sys.executable, "-B", ROOT / "infra/local/stack.py", *words], cwd=ROOT, capture_output=True, text=True,
                env=os.environ | own, timeout=60,
            )
        return done.returncode, done.stderr

    def run_there(self, there: FakeLocalStack, *options: str) -> tuple[int, str, bool]:
        """Returns also whether the command ran."""
        with TemporaryDirectory() as home:
            ran, wire = Path(home) / "ran", Path(home) / "wire"
            wire.write_text("#!/bin/sh\necho http://127.0.0.1:1\nexec cat\n")
            wire.chmod(0o755)
            code, said = self.stack(
                there.url, "run", "--emulator", "localstack", "--artifacts", home, "--wire", str(wire), *options, "--",
                "touch", str(ran),
            )
            return code, said, ran.exists()

    def test_an_old_localstack_is_one_sentence(self):
        with FakeLocalStack({"GET /_localstack/info": (200, '{"version": "4.8.0"}')}) as old:
            code, said = self.stack(old.url, "down")
        self.assertEqual((code, said.count("\n")), (1, 1), said)
        self.assertIn("needs to be 4.9 or later", said)

    def test_a_run_needs_a_localstack_without_the_stack(self):
        for status in ("CREATE_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS"):
            with self.subTest(status), FakeLocalStack(statuses=(status,)) as there:
                code, said, ran = self.run_there(there, "--needs", "nothing")
                self.assertEqual((code, ran, said.count("\n")), (1, False, 1), said)
                self.assertIn(f"({status}), but a run needs a new one: `make down LOCALSTACK_ENDPOINT={there.url}`", said)
                self.assertNotIn("DeleteStack", there.asked(), "a stack that the run did not make")

    def test_a_command_that_needs_what_is_lacking_does_not_run(self):
        with FakeLocalStack() as bare:
            code, said, ran = self.run_there(bare, "--needs", "email")
            self.assertEqual((code, ran, said.count("\n")), (1, False, 1), said)
            self.assertIn("this target cannot run on LocalStack 4.14.0", said)
            self.assertIn("it has no `SendEmail` of SES v2", said)
            self.assertNotIn("CreateChangeSet", bare.asked())
        with FakeLocalStack(REMOVABLE | RETAINED | CODE, statuses=(None, "CREATE_COMPLETE", None)) as shared:
            self.run_there(shared, "--needs", "email")
            self.assertNotIn("DeleteStack", shared.asked(), "a stack that another process has made meanwhile")

    def test_functions_no_longer_call_the_strict_wire_after_a_run_that_failed(self):
        with FakeLocalStack({"GET /_local/mails": (200, "[]"), "PUT /_local/front": (204, "")}) as there:
            code, said, ran = self.run_there(there, "--needs", "email")
            fronts = [body for what, _, body in there.requests if what == "PUT /_local/front"]
        self.assertEqual((code, ran, fronts), (1, False, [b"http://127.0.0.1:1", b""]), said)

    def test_a_half_deployed_stack_is_not_updated(self):
        for status in ("CREATE_FAILED", "CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_FAILED"):
            with self.subTest(status), FakeLocalStack(statuses=(status,)) as there:
                code, said = self.stack(there.url, "up", "--emulator", "localstack", "--artifacts", "none")
                self.assertEqual((code, said.count("\n")), (1, 1), said)
                self.assertIn(f"half deployed ({status}): run `make down LOCALSTACK_ENDPOINT={there.url}`", said)


class Removal(unittest.TestCase):
    def setUp(self):
        self.addCleanup(setattr, removal, "TIMEOUT", removal.TIMEOUT)

    def test_nothing_is_deleted_where_no_stack_is(self):
        for statuses in ((None,), ("DELETE_COMPLETE",)):
            with self.subTest(statuses), FakeLocalStack(statuses=statuses) as there:
                self.assertFalse(removal.undeploy(there.url, REGION))
                self.assertNotIn("DeleteStack", there.asked())

    def test_a_deployment_that_goes_on_is_awaited_and_a_passing_failure_survived(self):
        statuses = "CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED", None
        with FakeLocalStack(REMOVABLE | RETAINED | CODE, statuses) as there:
            self.assertTrue(removal.undeploy(there.url, REGION))
            asked = there.asked()
            deleted = [json.loads(body)["TableName"] for what, _, body in there.requests if what == "DeleteTable"]
            identities = [body for what, _, body in there.requests if what == "DeleteIdentity"]
        self.assertEqual(asked[:4], ["DescribeStacks", "DescribeStacks", "DescribeStackResources", "DeleteStack"])
        self.assertEqual(deleted, ["leadstream-leads"], "retained by the stack, and not the table of others")
        self.assertEqual([b"Identity=example.com" in body for body in identities], [True])
        self.assertEqual(asked[-2:], ["DELETE /leadstream-code/recorder/1.zip", "DELETE /leadstream-code"])

    def test_code_that_is_gone_already_is_deleted(self):
        gone = {"DELETE /leadstream-code": NO_BUCKET}
        with FakeLocalStack(REMOVABLE | RETAINED | CODE | gone, ("CREATE_COMPLETE", "DELETE_IN_PROGRESS", None)) as there:
            self.assertTrue(removal.undeploy(there.url, REGION))

    def test_a_stack_that_stays_is_one_sentence(self):
        removal.TIMEOUT = 0
        with FakeLocalStack(REMOVABLE, ("CREATE_FAILED", "DELETE_FAILED")) as there:
            with self.assertRaises(DeploymentFailed) as caught:
                removal.undeploy(there.url, REGION)
        self.assertEqual(
            str(caught.exception),
            f"stack `leadstream` at {there.url} cannot be deleted (DELETE_FAILED): restart the local AWS",
        )


if __name__ == "__main__":
    unittest.main()
